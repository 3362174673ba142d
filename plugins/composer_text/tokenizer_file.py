"""`tokenizer.json`, the file of the tokenizers library, read as data: sizes and special ids. Needs no such library."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from composer.types import VocabularyIds

__all__ = ["TokenizerFile", "is_tokenizer_file", "read_tokenizer_file"]

MOST_BYTES = 128 << 20
"""The largest file that is read; those of the largest published vocabularies (260,000 entries) have 35 MB."""
MOST_IDS = 1 << 24
"""More ids than any model has: a larger one is an error in the file, and would decide the size of a table."""

STARTS = ("[CLS]", "<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>")
ENDS = ("[SEP]", "</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>")
PADS = ("[PAD]", "<pad>", "<|pad|>")
UNKNOWNS = ("[UNK]", "<unk>")
MASKS = ("[MASK]", "<mask>")
"""Names of special tokens, for files that do not say what theirs are for."""

Special = tuple[str, int]
"""A special token of a frame: its name in the template, and its id."""


@dataclass(frozen=True)
class TokenizerFile:
    """What is known of a tokenizer file. Ids are None where the file has no such token."""

    size: int
    """One more than the largest id, added tokens included."""
    digest: str
    """The same as that of a word list with the same words."""
    start: int | None
    end: int | None
    pad: int | None
    unknown: int | None
    mask: int | None
    before: tuple[int, ...]
    behind: tuple[int, ...]
    """What the file itself puts before and behind a text."""
    added: Mapping[str, int] = field(default_factory=dict)
    """The tokens that were added to the vocabulary, the special ones among them."""
    lacks_words: bool = False
    """Whether there are texts that it has no tokens for: it has an unknown token, and no bytes to fall back on."""

    def ids(self, title: str) -> VocabularyIds:
        """As the checker holds it against modules."""
        return VocabularyIds(title, self.size, self.digest, self.start, self.end, self.pad, "tokenizer")


def is_tokenizer_file(path: Path) -> bool:
    """Whether a vocabulary file is one of the tokenizers library: its name ends in `.json`."""
    return path.suffix.lower() == ".json"


def read_tokenizer_file(path: Path) -> TokenizerFile:
    """Read the file, once for as long as it stays as it is. Raises ValueError for what is not a tokenizer."""
    try:
        state = path.stat()
        if state.st_size > MOST_BYTES:
            raise ValueError(
                f"tokenizer file {path} has {state.st_size:,} bytes, and {MOST_BYTES:,} are allowed"
            )
        return _read(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise ValueError(f"tokenizer file {path} cannot be read: {error.strerror}") from error


@lru_cache(maxsize=16)
def _read(path: Path, changed: int, size: int) -> TokenizerFile:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # ValueError stands for bytes that are not UTF-8, too
        raise ValueError(f"tokenizer file {path} is not valid JSON: {error}") from error
    try:
        return _parsed(content)
    except (TypeError, AttributeError, KeyError, IndexError) as error:
        raise ValueError(f"tokenizer file {path} is not one: a part has another form ({error})") from error
    except ValueError as error:
        raise ValueError(f"tokenizer file {path} {error}") from error


def _parsed(content: Any) -> TokenizerFile:
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict):
        raise ValueError("is not one: it has no `model`; give the `tokenizer.json` beside a model's weights")
    added = {token["content"]: token["id"] for token in content.get("added_tokens") or ()}
    tokens = {**_model_tokens(model), **added}
    _hold_ids(tokens.items())
    if not tokens:
        raise ValueError("has no token")
    before, behind = _frame(content.get("post_processor") or {}, tokens)
    padding = (content.get("padding") or {}).get("pad_id")
    padded = [] if padding is None else [("padding.pad_id", padding)]
    _hold_ids([*before, *behind, *padded])
    return TokenizerFile(
        size=max(*tokens.values(), *(index for _, index in (*before, *behind, *padded)), 0) + 1,
        digest=_digest(tokens),
        start=_chosen(before, STARTS, 0) if before else _named(tokens, STARTS),
        end=_chosen(behind, ENDS, -1) if behind else _named(tokens, ENDS),
        pad=padding if padding is not None else _named(tokens, PADS),
        unknown=_named(tokens, UNKNOWNS),
        mask=_named(tokens, MASKS),
        before=tuple(index for _, index in before),
        behind=tuple(index for _, index in behind),
        added=added,
        lacks_words=bool(model.get("unk_token")) and not model.get("byte_fallback"),
    )


def _model_tokens(model: Mapping[str, Any]) -> dict[str, int]:
    """Token → id: a map, or for Unigram a list of tokens with their scores."""
    vocabulary = model.get("vocab")
    if isinstance(vocabulary, dict):
        return vocabulary
    if isinstance(vocabulary, list):
        return {piece[0]: index for index, piece in enumerate(vocabulary)}
    raise ValueError("is not one: its model has no `vocab`")


def _hold_ids(tokens: Iterable[tuple[str, Any]]) -> None:
    for token, index in tokens:
        if not isinstance(token, str) or type(index) is not int or not 0 <= index < MOST_IDS:
            shown = repr(token)[:60]
            raise ValueError(
                f"gives the token {shown} the id {index!r}: ids are numbers from 0 to {MOST_IDS - 1:,}"
            )


def _digest(tokens: Mapping[str, int]) -> str:
    """As `vocabulary.py` counts a list of the same words, in which the id is the line."""
    words = [""] * (max(tokens.values()) + 1)
    for token, index in tokens.items():
        words[index] = token
    lines = b"\n" + "\n".join(words).encode("utf-8", "surrogatepass") + b"\n"
    return f"{zlib.crc32(lines):x}-{len(lines)}"


def _named(tokens: Mapping[str, int], names: Iterable[str]) -> int | None:
    return next((tokens[name] for name in names if name in tokens), None)


def _chosen(framing: Sequence[Special], names: Iterable[str], otherwise: int) -> int:
    """Of several special tokens on one side, such as an end and a language, the one that is known by its name."""
    known = dict(framing)
    return known.get(next((name for name in names if name in known), ""), framing[otherwise][1])


def _frame(processor: Mapping[str, Any], tokens: Mapping[str, int]) -> tuple[list[Special], list[Special]]:
    """The special tokens before and behind a text, as the file's own post-processor puts them."""
    before: list[Special] = []
    behind: list[Special] = []
    for part in _post_processors(processor):
        if "cls" in part and "sep" in part:  # BertProcessing, RobertaProcessing
            (first, start), (last, end) = part["cls"], part["sep"]
            before, behind = [(first, start), *before], [*behind, (last, end)]
            continue
        template = part.get("single") or []
        text = next((i for i, item in enumerate(template) if "Sequence" in item), None)
        if text is None:
            continue
        known = part.get("special_tokens") or {}
        # Each processor frames what the one before it has made.
        before = [*_specials(template[:text], known, tokens), *before]
        behind = [*behind, *_specials(template[text + 1 :], known, tokens)]
    return before, behind


def _specials(
    template: Iterable[Mapping[str, Any]], known: Mapping[str, Any], tokens: Mapping[str, int]
) -> Iterator[Special]:
    """A part of a template as tokens with their ids: one name may stand for several."""
    for item in template:
        name = item["SpecialToken"]["id"]
        ids = known[name]["ids"] if name in known else [tokens[name]]
        yield from ((name, index) for index in ids)


def _post_processors(processor: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if processor.get("type") == "Sequence":
        for each in processor.get("processors") or ():
            yield from _post_processors(each)
    else:
        yield processor
