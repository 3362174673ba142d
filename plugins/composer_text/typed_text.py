"""A pipeline of the tokenizers library that finds no special token in a text, whatever the text spells.

The library can be told to leave special tokens in texts alone, and then gives what they are spelled with to its model.
Models may have the token as one of their words, as those with whole words and those of SentencePiece do. So the words
are called otherwise there, by names that nobody can type; their ids stay.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Pipeline

__all__ = ["bare", "without_marks"]


def bare(pipeline: Pipeline) -> Pipeline:
    """The same pipeline, which neither fills up, nor cuts, nor looks for special tokens in texts."""
    pipeline.no_padding()
    pipeline.no_truncation()
    pipeline.encode_special_tokens = True
    return pipeline


def without_marks(pipeline: Pipeline, path: Path, marks: Mapping[str, int]) -> Pipeline:
    """A pipeline of the same file that reads none of these tokens in a text."""
    added = pipeline.get_added_tokens_decoder().values()
    plain = {token.content for token in added if not token.special}
    if plain.isdisjoint(marks) and not any(_is_word(pipeline, mark) for mark in marks):
        return pipeline
    content = json.loads(path.read_text(encoding="utf-8"))
    names = {mark: f"{secrets.token_hex(16)}{number}" for number, mark in enumerate(marks)}
    for token in content.get("added_tokens") or ():
        if token["content"] in names:
            token.update(content=names[token["content"]], special=True)
    _rename(content["model"], names)
    return bare(Pipeline.from_str(json.dumps(content)))


def _is_word(pipeline: Pipeline, mark: str) -> bool:
    """Whether the model can give this token for letters. One that joins pairs can where its pairs lead to it."""
    model = pipeline.model
    index = model.token_to_id(mark)
    if index is None:
        return False
    joins_pairs = type(model).__name__ == "BPE" and not model.ignore_merges
    return not joins_pairs or index in pipeline.encode(mark, add_special_tokens=False).ids


def _rename(model: dict[str, Any], names: Mapping[str, str]) -> None:
    words = model["vocab"]
    if isinstance(words, dict):
        model["vocab"] = {names.get(word, word): index for word, index in words.items()}
    else:
        model["vocab"] = [[names.get(word, word), *rest] for word, *rest in words]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    if model.get("merges"):
        model["merges"] = [pair for pair in model["merges"] if not _touches(pair, names)]


def _touches(pair: str | list[str], names: Collection[str]) -> bool:
    """Whether a pair of a model that joins pairs begins with, ends with or makes one of these."""
    first, second = pair.split(" ") if isinstance(pair, str) else pair
    return not {first, second, first + second}.isdisjoint(names)
