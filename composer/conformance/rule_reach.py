"""The promise that every rule of a layout is of use: some published name comes to it, and no earlier rule takes all."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Any

from composer.conformance.report import Failure
from composer.plugin.declarations import Rule

if sys.version_info >= (3, 11):
    from re import _parser as parser  # type: ignore[attr-defined]
else:  # the same under its earlier name
    import sre_parse as parser

__all__ = ["hold_reach", "names_for"]

MOST_NAMES = 64
"""Names that are tried for a rule."""
WIDEST = 4
"""Letters of a set, and branches, that are tried at one place."""
LETTERS = {
    "CATEGORY_DIGIT": "07",
    "CATEGORY_WORD": "a_5",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_DIGIT": "a.",
    "CATEGORY_NOT_SPACE": "a.5",
    "CATEGORY_NOT_WORD": ".-",
}
ANYTHING = "a.5_"


class _UntoldError(Exception):
    """A part of a pattern of which no example can be made."""


def hold_reach(rules: Sequence[Rule], keys: Sequence[str]) -> None:
    """Raises Failure for a rule that nothing reaches, and for a published name that no rule takes."""
    patterns = [re.compile(rule.pattern) for rule in rules]
    reached = set[int]()
    for key in keys:
        first = next((number for number, pattern in enumerate(patterns) if pattern.fullmatch(key)), None)
        if first is None:
            raise Failure(
                f"no rule takes {key!r}, one of its `keys`: rename it by a rule, or ignore it by a target of None"
            )
        reached.add(first)
    for number, pattern in enumerate(patterns):
        if keys and number not in reached:
            raise Failure(
                f"the rule {pattern.pattern!r} takes none of its `keys`: mend its pattern, or leave it out"
            )
        if not keys:
            _hold_example(pattern, patterns[:number])


def _hold_example(pattern: re.Pattern[str], earlier: Sequence[re.Pattern[str]]) -> None:
    """Without published names: names are made of the pattern itself."""
    names = list(islice(names_for(pattern.pattern), MOST_NAMES))
    taken = [name for name in names if pattern.fullmatch(name)]
    if names and not taken:
        raise Failure(f"the rule {pattern.pattern!r} never matches a name as a whole: mend its pattern")
    before = [next((each for each in earlier if each.fullmatch(name)), None) for name in taken]
    if before and before[0] is not None and all(before):
        raise Failure(
            f"the rule {pattern.pattern!r} is never reached: {before[0].pattern!r}, which stands before it, takes "
            "whatever it would; the first rule that matches wins"
        )


def names_for(pattern: str) -> Iterator[str]:
    """Texts that a pattern may match: for each choice in it, the first few. None where that cannot be told."""
    try:
        yield from list(_texts(parser.parse(pattern)))
    except _UntoldError:
        return


def _texts(tokens: Any) -> Iterator[str]:
    choices = [list(islice(_choices(str(operation), argument), WIDEST)) for operation, argument in tokens]
    for parts in islice(product(*choices), MOST_NAMES):
        yield "".join(parts)


def _choices(operation: str, argument: Any) -> Iterator[str]:
    if operation == "LITERAL":
        yield chr(argument)
    elif operation == "NOT_LITERAL":
        yield next(letter for letter in ANYTHING if ord(letter) != argument)
    elif operation == "ANY":
        yield from ANYTHING
    elif operation == "IN":
        yield from _letters(argument)
    elif operation == "BRANCH":
        yield from (next(_texts(branch), "") for branch in argument[1])
    elif operation == "SUBPATTERN":
        yield from _texts(argument[-1])
    elif operation == "ATOMIC_GROUP":
        yield from _texts(argument)
    elif operation in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        low, high, body = argument
        once = list(islice(_texts(body), WIDEST))
        for count in dict.fromkeys((low, min(low + 1, int(high)))):
            yield from (text * count for text in once[: WIDEST // 2])
    elif operation == "AT":
        yield ""
    else:  # looking ahead or back, a group that is read again: no example is made of these
        raise _UntoldError


def _letters(items: Any) -> Iterator[str]:
    """Letters of a set, those of its ends."""
    found: list[str] = []
    negated = False
    for operation, argument in items:
        name = str(operation)
        if name == "NEGATE":
            negated = True
        elif name == "LITERAL":
            found.append(chr(argument))
        elif name == "RANGE":
            found += [chr(argument[0]), chr(argument[1])]
        elif name == "CATEGORY":
            found += LETTERS.get(str(argument), "")
    yield from (letter for letter in "a5._-Zz~" if letter not in found) if negated else found
