"""Write `published_names.json`: keys of published checkpoints that transformers calls otherwise in its modules.

python -m composer_transformers.make_published_names

The library renames keys as it reads a checkpoint, and back as it writes one. A tiny model of every family is written,
and each key of the file is held beside the parameter with the same numbers.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

from composer_transformers.encoder_configs import LibraryEncoderConfig
from composer_transformers.encoder_models import built
from composer_transformers.encoder_types import ENCODERS
from composer_transformers.published_names import TABLE

__all__ = ["renamed"]

_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


def renamed(model: torch.nn.Module) -> dict[str, str]:
    """Key in a file → name in the module, both with `*` for numbers, where they differ."""
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.linspace(index, index + 0.5, parameter.numel()).reshape(parameter.shape))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)  # type: ignore[operator]
        written = load_file(Path(folder, "model.safetensors"))
    own = model.state_dict()
    found = {}
    for key, value in written.items():
        names = [name for name, tensor in own.items() if tensor.shape == value.shape and tensor.equal(value)]
        if key not in names and len(names) == 1:
            found[_NUMBER.sub("*", key)] = _NUMBER.sub("*", names[0])
    return found


def main() -> None:
    """Write the table of every family."""
    table: dict[str, dict[str, str]] = {}
    for entry in ENCODERS:
        for example in entry.examples:
            config = entry.config(**example)
            assert isinstance(config, LibraryEncoderConfig)
            if names := renamed(built(config)):
                family = config.row.name
                table[family] = {**table.get(family, {}), **names}
    TABLE.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
