"""The folder of a published model: its small JSON files, read as data and with limits. No code of it is ever run."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Union

from pydantic import JsonValue, ValidationInfo

from composer.plugin import is_file, published_folder, refuse_all
from composer.problems import nearest

__all__ = [
    "JSON",
    "config_of",
    "folder_named",
    "generation_config_of",
    "hold_family",
    "hold_one_source",
    "preprocessor_config_of",
    "strange_names",
    "text_config_of",
    "tokenizer_in",
    "without_tokenizer",
]

JSON = Union[None, bool, int, float, str, list["JSON"], dict[str, "JSON"]]

_OF_THE_WHOLE = ("bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings")
"""Keys that a model of pictures and texts says for its language model, too."""
_SMALL = (
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)
"""Files of a model, beside its config, that say how it is used."""
_OTHER_TOKENIZERS = (
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "source.spm",
    "vocab.json",
    "vocab.txt",
)
"""Tokenizers in the files of older models."""
_OTHERS = {"model_index.json": "a pipeline", "modules.json": "a chain of parts"}
"""Files that stand in the place of a config, and what they describe."""
MOST_BYTES = 4 << 20
"""Of a config; published ones have a few thousand, or some 100,000 where they name 1,000 classes."""


def folder_named(text: str, info: ValidationInfo) -> Path:
    """The folder of a model: beside the document, in an installed package, or of the Hub at a revision.

    Raises ValueError with one sentence.
    """
    return published_folder(text, info, needs="config.json", also=_SMALL)


def config_of(folder: Path) -> Mapping[str, JSON]:
    """The `config.json` of a model's folder. Raises ValueError with one sentence where it cannot be used."""
    if not folder.is_dir():
        where = "is a file" if is_file(folder) else "does not exist"
        raise ValueError(f"{folder} {where}: `folder` is that of a model, with its config.json")
    found = _read(folder / "config.json")
    if found is None:
        raise ValueError(
            f"{folder} has no config.json: {_instead(folder)}`folder` is that of a model of transformers"
        )
    if found.get("auto_map"):
        raise ValueError(
            f"{folder / 'config.json'} asks for code of its own (auto_map), and no code of a model's folder is run: "
            "name a model whose family transformers has itself"
        )
    if found.get("quantization_config"):
        raise ValueError(
            f"the weights of {folder} are quantised (quantization_config): name that of the model as it was before"
        )
    return found


def _instead(folder: Path) -> str:
    """What a folder without a config is of, as far as its files say."""
    if is_file(folder / "adapter_config.json"):
        try:
            said = _read(folder / "adapter_config.json") or {}
        except ValueError:  # whatever else is wrong with it, it is no model
            said = {}
        base = said.get("base_model_name_or_path")
        return f"adapter_config.json is of an adapter of {base if isinstance(base, str) else 'another model'}, and "
    other = next((name for name in _OTHERS if is_file(folder / name)), None)
    if other is not None:
        return f"{other} is of {_OTHERS[other]}, whose models are in folders below; "
    whole = next(iter(sorted(folder.glob("*.gguf"))), None)
    if whole is not None:
        return f"`composer import {whole.name} --layout gguf --out DIR` makes such a folder; "
    return ""


def text_config_of(
    config: Mapping[str, JSON], defaults: Mapping[str, JSON], where: Path
) -> Mapping[str, JSON]:
    """The config of the language model inside a model of pictures and texts.

    Such a config leaves out what the library has as its default, and says of the whole what ends a text; older ones
    have the sizes of the language model among their own. Raises ValueError where it holds none.
    """
    own = config.get("text_config", config if "hidden_size" in config else None)
    if not isinstance(own, Mapping):
        raise ValueError(f"{where} has no `text_config`, the config of the language model inside")
    usual = {name: value for name, value in defaults.items() if value is not None}
    whole = {name: config[name] for name in _OF_THE_WHOLE if config.get(name) is not None}
    return {**usual, **own, **whole}


def generation_config_of(folder: Path) -> Mapping[str, JSON]:
    """The `generation_config.json` of a folder; empty where there is none."""
    return _read(folder / "generation_config.json") or {}


def preprocessor_config_of(folder: Path) -> Mapping[str, JSON]:
    """The `preprocessor_config.json` of a folder, or the part of `processor_config.json` that newer folders have in its
    place; empty where there is neither."""
    found = _read(folder / "preprocessor_config.json")
    if found is not None:
        return found
    whole = _read(folder / "processor_config.json") or {}
    parts = [whole[name] for name in ("feature_extractor", "image_processor") if name in whole]
    return next((part for part in parts if isinstance(part, dict)), {})


def tokenizer_in(folder: Path) -> str | None:
    """The tokenizer file of a folder, or None where there is none."""
    path = folder / "tokenizer.json"
    return str(path) if is_file(path) else None


def without_tokenizer(folder: Path) -> str:
    """Says that a folder has no `tokenizer.json`, and what makes one of a tokenizer of another form."""
    other = next((name for name in _OTHER_TOKENIZERS if is_file(folder / name)), None)
    if other is None:
        return f"{folder} has no tokenizer.json"
    return (
        f"{folder} has no tokenizer.json, and {other} is not read (AutoTokenizer.from_pretrained(FOLDER)"
        ".save_pretrained(FOLDER) of transformers writes a tokenizer.json for most models)"
    )


def _read(path: Path) -> Mapping[str, JSON] | None:
    """A JSON object, once for as long as its file stays as it is."""
    if not is_file(path):
        return None
    try:
        state = path.stat()
        if state.st_size > MOST_BYTES:
            raise ValueError(f"{path} has {state.st_size:,} bytes, and a config has {MOST_BYTES:,} at most")
        return _parsed(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error


@lru_cache(maxsize=32)
def _parsed(path: Path, changed: int, size: int) -> Mapping[str, JSON]:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # ValueError stands for bytes that are not UTF-8, too
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} is not the config of a model: it holds a {type(found).__name__}, not a map")
    return found


def hold_family(value: str | None, known: Collection[str]) -> str | None:
    """The name of a family, or None where none is given. Raises ValueError for one that is not known."""
    if value is not None and value not in known:
        near = nearest(value, tuple(known))
        guess = f"did you mean `{near}`? " if near else ""
        raise ValueError(f"no family is called {value!r:.60}; {guess}there are {', '.join(known)}")
    return value


def strange_names(
    config: Mapping[str, JsonValue], names: Collection[str], where: str, owner: str
) -> list[str]:
    """A sentence for every key of a config that is none of these names."""
    found = []
    for name in config:
        if name not in names:
            near = nearest(name, tuple(names))
            guess = f"; did you mean `{near}`?" if near else ""
            found.append(f"{where}: {owner} has no `{name}`{guess}")
    return found


def hold_one_source(
    family: str | None,
    config: Mapping[str, JsonValue],
    folder: str | None,
    further: Callable[[], Iterable[str]],
) -> None:
    """Raises ValueError where it is not one of `family` (with `config`) and `folder` that says which model it is; where
    it is, with all faults, the `further` ones of that model too.
    """
    if (family is None) == (folder is None):
        both = "both say" if folder is not None else "say"
        raise ValueError(f"`family` (with `config`) or `folder` {both} which model it is: give one of them")
    own = "`config` goes with `family`: the config of a folder is its config.json"
    refuse_all([*([own] if folder is not None and config else []), *further()])
