"""No such thing, did you mean: what an unknown word probably means, and whether `--fix` may write it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from composer.problems.place import Place
from composer.problems.problem import Edit, InputError
from composer.problems.spelling import LONGEST, distance, is_slip

__all__ = ["Suggestion", "listed", "nearest", "rename", "suggest", "unknown"]

CLOSE = 12
"""How many names that resemble a word are looked at letter by letter."""
SHOWN = 12
"""As many names are listed whole; of more, the nearest ones are."""
MOST_EDITS = 2
"""More of them make another word; then a name that is a part of the word is nearer: `size` of `image_size`."""
_SIGNS = r"[\[\]{},#&*!|>'\"%@`\n]"
"""What YAML may read as more than a letter of a word."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What was probably meant. `word` is None where nothing is near; `fix` is empty where it may be something else."""

    word: str | None = None
    helps: tuple[str, ...] = ()
    fix: tuple[Edit, ...] = ()


def suggest(
    word: str,
    known: Iterable[object],
    place: Place | None,
    *,
    form: str = "{}",
    coined: bool = False,
    used: Collection[str] = (),
) -> Suggestion:
    """The known name that `word` most likely means, as a hint, and as a fix where it can hardly mean anything else.

    Args:
        word: what stands at `place`, without what `form` puts around it.
        known: the names that there are; keys of a faulty document may be no words.
        place: the text that the fix replaces; without one there is a hint alone.
        form: how the name is written there, such as `${}` or `{}.states`.
        coined: whether authors make such names up (see `is_slip`).
        used: names that something else refers to. One letter more or less at the end, as of a plural, may then be a
            name of its own.
    """
    names = _words(known)
    guess, rivals = _found(str(word), names)
    if guess is None:
        return Suggestion()
    if place is None:
        return Suggestion(guess, (f"did you mean `{form.replace('{}', guess, 1)}`?",))
    if rivals:
        shown = " or ".join(f"`{form.replace('{}', name, 1)}`" for name in (guess, *rivals)[:3])
        return Suggestion(guess, (f"did you mean {shown}?",))
    sure = is_slip(word, guess, coined=coined, stem=coined and guess in used)
    written = form.replace("{}", guess, 1)
    return Suggestion(guess, (f"did you mean `{written}`?",), rename(place, written) if sure else ())


@lru_cache(maxsize=32)
def _found(word: str, names: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The nearest name, and others that differ from the word in no more letters. Many readers may ask for one word."""
    near = _closest(word, names, CLOSE)
    edits = {name: distance(word, name) for name in near}
    guess = min(near, key=edits.__getitem__) if near else None
    if guess is None or edits[guess] > MOST_EDITS:
        pieces = _pieces(word)
        within = (
            tuple(name for name in names if _is_part(_pieces(name), pieces)) if len(word) <= LONGEST else ()
        )
        if within and guess not in within:
            return within[0], within[1:]
        guess = near[0] if near else None  # of names far off, the one with the most letters in common
    if guess is None:
        return None, ()
    rivals = (name for name in near if name != guess and edits[name] <= edits[guess] <= MOST_EDITS)
    return guess, tuple(rivals)


def _pieces(name: str) -> frozenset[str]:
    return frozenset(piece for piece in re.split(r"[\W_]+", name.casefold()) if piece)


def _is_part(name: frozenset[str], word: frozenset[str]) -> bool:
    """Whether a name is a part of a word, or the word of it. What one or two letters say is too little."""
    shared = name & word
    return shared in (name, word) and any(len(piece) > MOST_EDITS for piece in shared)


def nearest(word: str, known: Iterable[object]) -> str | None:
    """The known word that a person most likely meant. Keys of a faulty document may be no words."""
    return _found(str(word), _words(known))[0]


def _words(known: Iterable[object]) -> tuple[str, ...]:
    if isinstance(known, tuple):  # of names alone, and perhaps long
        return known
    return tuple(name for name in known if isinstance(name, str))


@lru_cache(maxsize=32)
def _closest(word: str, names: tuple[str, ...], count: int) -> list[str]:
    """The names that resemble the word, the nearest first."""
    text = str(word)
    if len(text) > LONGEST * 2:
        return []
    length = len(text)
    import difflib

    near = [name for name in names if 3 * len(name) >= length and 3 * length >= len(name)]
    return difflib.get_close_matches(text, near, n=count, cutoff=0.6)


def listed(word: str, known: Iterable[object]) -> str:
    """The names that there are, for a hint; of many, those nearest to `word`, and how many more there are."""
    names = _words(known)
    if len(names) <= SHOWN:
        return ", ".join(names) or "none"
    shown = _closest(str(word), names, SHOWN // 2) or names[: SHOWN // 2]
    return f"{', '.join(shown)} and {len(names) - len(shown):,} more"


def unknown(
    what: str,
    word: str | Sequence[str],
    known: Iterable[object],
    owner: str | None = None,
    *,
    likely: Iterable[object] | None = None,
) -> InputError:
    """The error of names from outside that nothing has, or not their `owner`: what might be meant, and what there is.

    `likely` holds those of the known names that may be meant, where some of them are given already.
    """
    names = _words(known)
    words = (word,) if isinstance(word, str) else tuple(word)
    meant = names if likely is None else _words(likely)
    guess = next((near for each in words if (near := nearest(each, meant)) is not None), None)
    hint = f"; did you mean `{guess}`?" if guess is not None else "."
    begin = "there is no" if owner is None else f"{owner} has no"
    shown = " and ".join(f"`{each}`" for each in words)
    return InputError(f"{begin} {what} {shown}{hint} There are: {listed(words[0], names)}")


def rename(place: Place, word: str) -> tuple[Edit, ...]:
    """The edit that puts a word in the place of another: replace exactly the text there.

    No edit where the right word is the stranger one (a parameter declared as `he[ads`): YAML would read its signs.
    """
    if re.search(_SIGNS, word) or word.endswith(":") or not place.is_in_file or place.start == place.end:
        return ()
    return (Edit(place.file, place.start, place.end, word),)
