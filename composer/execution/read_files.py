"""Files that reading the values of an input takes, such as vocabularies: which they are, and what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from composer.graph import CheckedInput, CheckedNode
from composer.plugin import Config, Modality, Registry
from composer.plugin.answers import as_map, as_vocabulary
from composer.plugin.asking import ask

__all__ = ["digests_of_inputs", "digests_of_texts", "files_of"]


def files_of(modality: Modality, config: Config) -> dict[str, Path]:
    """The files that an input's processor reads, by the field of the config that names them. Raises PluginError."""
    if modality.files is None:
        return {}
    return ask(modality.files, config, what=f"`files` of {modality.title}", accept=_paths)


def digests_of_inputs(inputs: Mapping[str, CheckedInput]) -> dict[str, str]:
    """What tells inputs from those that read other files under the same names: a SHA-256 of each vocabulary, and of
    the names of classes, which a file may hold; by `question.tokenizer` and `label.classes`.
    """
    found: dict[str, str] = {}
    for name, item in inputs.items():
        found |= {f"{name}.{field}": each for field, each in _digests(item.modality, item.config).items()}
        if item.classes is not None:
            found[f"{name}.classes"] = hashlib.sha256("\n".join(item.classes).encode()).hexdigest()
    return found


def digests_of_texts(node: CheckedNode, registry: Registry) -> dict[str, str]:
    """The same of what makes texts of the ids that a `generate` node finds; nothing of other nodes."""
    if not node.generates:
        return {}
    what = f"`vocabulary` of {node.module.type.title}"
    given = ask(node.decoding.generation.vocabulary, node.module.config, what=what, accept=as_vocabulary)
    modality = registry.modalities.get(given.modality)
    if modality is None:
        return {}
    return _digests(modality, modality.config.model_validate(dict(given.config)))


def _digests(modality: Modality, config: Config) -> dict[str, str]:
    return {
        field: hashlib.sha256(path.read_bytes()).hexdigest()
        for field, path in files_of(modality, config).items()
    }


def _paths(answer: Any) -> dict[str, Path]:
    found = dict(as_map(answer))
    if not all(isinstance(name, str) and isinstance(path, (str, Path)) for name, path in found.items()):
        raise TypeError("paths by the name of a field are expected")
    return {name: Path(path) for name, path in found.items()}
