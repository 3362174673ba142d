"""The words of a caption, as the COCO caption evaluation cuts them: without Java, for the text that captions are.

The official tokenizer is Stanford's PTBTokenizer (CoreNLP 3.4.1, lower-cased), a Java program; after it, punctuation is
left out. This one gives the same words for ordinary English captions; recorded output of the original is its test.
"""

from __future__ import annotations

import re

__all__ = ["caption_words"]

PUNCTUATION = frozenset(("''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"))
"""What is left out, as the evaluation's own list has it. Its `-LRB-` never meets the lower-cased `-lrb-`."""
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_WHOLE = re.compile(r"https?://\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
"""Addresses, which stay as they are."""
_SPLIT = {
    "cannot": ("can", "not"), "gonna": ("gon", "na"), "gotta": ("got", "ta"), "wanna": ("wan", "na"),
    "lemme": ("lem", "me"), "gimme": ("gim", "me"), "'tis": ("'t", "is"), "'twas": ("'t", "was"),
}  # fmt: skip
_ABBREVIATION = re.compile(
    r"(?:[a-z]\.)+|(?:mr|mrs|ms|dr|prof|st|ave|blvd|rd|jr|sr|vs|etc|inc|co|corp|ltd|jan|feb|mar|apr|jun|jul|aug|sep|"
    r"sept|oct|nov|dec)\."
)
_ENDING = re.compile(r"(.*?)(n't|'(?:s|m|d|re|ve|ll))")
_PIECE = re.compile(
    r"\.\.\.|--+|[()\[\]{}]|``|''"
    r"|\d+(?::\d+)+(?=[ap]m\b)"  # 5:00 pm
    r"|@?\w+(?:(?:[-/.'@]|(?<=\d)[,:](?=\d))\w+)*"
    r"|'n'|'(?=em\b)em|[^\s\w]"
)


def caption_words(text: str) -> list[str]:
    """Lower-cased words, contractions cut in two (`do`, `n't`; `man`, `'s`), without punctuation."""
    words: list[str] = []
    for chunk in text.replace("\u2019", "'").lower().split():
        words += _words(chunk)
    return [word for word in words if word not in PUNCTUATION]


def _words(chunk: str) -> list[str]:
    if _WHOLE.fullmatch(chunk) or _ABBREVIATION.fullmatch(chunk):
        return [chunk]
    words: list[str] = []
    end = len(chunk.rstrip(",;:!?\"'")) if chunk.rstrip(",;:!?\"'") else len(chunk)
    inner, rest = chunk[:end], chunk[end:]
    if _ABBREVIATION.fullmatch(inner):
        return [inner, *_PIECE.findall(rest)]
    for piece in _PIECE.findall(chunk.replace('"', "''")):
        words += _piece(piece)
    return words


def _piece(piece: str) -> list[str]:
    if piece in _BRACKETS:
        return [_BRACKETS[piece]]
    if piece in _SPLIT:
        return list(_SPLIT[piece])
    found = _ENDING.fullmatch(piece)
    if found is not None and found[1]:
        return [*_piece(found[1]), found[2]]
    return [piece]
