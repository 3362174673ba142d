"""What a model folder has beside its weights, made of the fields of a GGUF file: config, tokenizer, chat template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from composer.problems import InputError

__all__ = ["write_folder"]


def write_folder(file: Path, folder: Path) -> None:
    """Write `config.json`, `generation_config.json` and the tokenizer's files into a folder; transformers reads them.

    Raises:
        InputError: one sentence, where transformers cannot make a config or a tokenizer of the file's fields.
    """
    from transformers import AutoConfig, AutoTokenizer
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    given = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(str(file.parent), **given)
        tokenizer = AutoTokenizer.from_pretrained(str(file.parent), **given)
    except Exception as error:  # fields that lack, or of another type, may fail anywhere in the library
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"{file}: transformers cannot read its config and tokenizer: {reason}") from None
    kind = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type)
    config.architectures = [kind] if isinstance(kind, str) else None
    tokenizer.save_pretrained(folder)
    written = {name: value for name, value in config.to_diff_dict().items() if not name.startswith("_")}
    _write(folder / "config.json", written)
    ids = {name: written.get(name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    _write(folder / "generation_config.json", {name: id for name, id in ids.items() if id is not None})


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
