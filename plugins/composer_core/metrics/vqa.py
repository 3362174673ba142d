"""VQA accuracy by its official definition, with the official cleaning of answers.

Antol and others: VQA, visual question answering, 2015, and the evaluation code that is published with the data sets, as
it is since its change of March 2021.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from composer.problems import InputError
from composer_core.metrics.given import written_list

__all__ = ["clean_answer", "sample", "vqa_accuracy"]

FEWEST = 4
"""With fewer answers no answer could be right: three others must agree with it."""
ENOUGH = 3
ARTICLES = frozenset(("a", "an", "the"))
NUMBERS = dict(
    zip(
        ("none", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
        ("0", *map(str, range(11))),
        strict=True,
    )
)
_SIGNS = ';/[]"{}()=+\\_-><@`,?!'
_COMMA_OF_A_NUMBER = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
_MOST_PERIODS = 32
"""The published code removes so many periods: it gives a flag of `re` in the place of a count."""
_WORDS = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've he's
how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've o'clock
oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd
someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've there're there's
they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's
where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've
y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""
"""Contractions that the published table knows; it mends words that lack one apostrophe of these."""


def _without_one_apostrophe(word: str) -> list[str]:
    return [word[:place] + word[place + 1 :] for place, sign in enumerate(word) if sign == "'"]


CONTRACTIONS = {short: word for word in _WORDS.split() for short in _without_one_apostrophe(word)} | {
    "somebody'd": "somebodyd"
}
"""What a word that lacks one of its apostrophes is; the last entry is the published table's own."""


def sample() -> tuple[list[Any], list[Any]]:
    """Three answers with those of ten people: right for all, for two of them, and for none."""
    people = [["yes"] * 10, ["red"] * 2 + ["dark red"] * 8, ["2"] * 10]
    return ["yes", "the red", "no"], people


def clean_answer(text: str) -> str:
    """An answer without articles and most signs, numbers as digits, contractions with their apostrophes."""
    text = _without_signs(_on_one_line(text))
    words = [NUMBERS.get(word, word) for word in text.lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)


def _on_one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _without_signs(text: str) -> str:
    """Signs go where they stand beside a space, or where a number has a comma; elsewhere they become a space."""
    found = text
    comma = _COMMA_OF_A_NUMBER.search(text) is not None
    for sign in _SIGNS:
        beside = f"{sign} " in text or f" {sign}" in text
        found = found.replace(sign, "" if beside or comma else " ")
    return _PERIOD.sub("", found, count=_MOST_PERIODS)


def vqa_accuracy(predictions: Sequence[Any], references: Sequence[Any]) -> list[float]:
    """Of each answer: how often three of nine people said it, over the ten ways to leave one of the ten out."""
    return [_accuracy(str(p), _people(r)) for p, r in zip(predictions, references, strict=True)]


def _accuracy(prediction: str, people: list[str]) -> float:
    found, people = _on_one_line(prediction), [_on_one_line(each) for each in people]
    if len(set(people)) > 1:  # where all people agree, the published code cleans nothing
        found, people = clean_answer(found), [clean_answer(each) for each in people]
    same = [each == found for each in people]
    return sum(min(1.0, (sum(same) - own) / ENOUGH) for own in same) / len(people)


def _people(reference: Any) -> list[str]:
    """The answers of people: texts, or maps with the key `answer` as in the official annotations."""
    reference = written_list(reference)
    if isinstance(reference, str) or not hasattr(reference, "__iter__"):
        reference = [reference]
    answers = [str(each["answer"] if isinstance(each, dict) else each) for each in reference]
    if len(answers) < FEWEST:
        raise InputError(
            f"VQA accuracy compares with the answers of several people (officially ten), and a reference has "
            f"{len(answers)}: give a list of them, or take core.exact_match"
        )
    return answers
