"""Texts and rules of a search that cannot hold, as far as is known without torch. Imported where there are some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from composer.graph.checked import CheckedSearch
from composer.language import Tree
from composer.plugin import GenerateOptions, TextRules, Tokenizer, Vocabulary
from composer.plugin.written_words import (
    RULES,
    WrittenText,
    holds_run,
    ids_of,
    spelling,
    texts_of,
    unwritable,
)
from composer.problems import InputError, Problem, YamlPath

__all__ = ["SearchRuleFaults", "crowding_faults", "spelling_faults"]


def spelling_faults(
    tree: Tree, path: YamlPath, search: CheckedSearch, module: str, tokenizer: Tokenizer
) -> Iterator[Problem]:
    """C281 for every text of a search that the tokenizer of a decoder cannot write; `path` is that of the node."""
    for written in texts_of(search.config, spells=search.policy.spells):
        fault = unwritable(tokenizer, written)
        if fault:
            yield _unwritable(tree, path, search.policy.id, module, written, fault)


def crowding_faults(
    tree: Tree, path: YamlPath, search: CheckedSearch, tokenizer: Tokenizer, vocabulary: Vocabulary, most: int
) -> Iterator[Problem]:
    """C280 for texts of a policy that spells them: two of an option with the same ids, one that holds a token that
    ends a text, one of over `most` tokens.
    """
    ends = {vocabulary.end, *vocabulary.stop}
    known: dict[tuple[str, tuple[int, ...]], str] = {}
    for written in texts_of(search.config, spells=search.policy.spells):
        option, index, text = written
        if option in (*RULES, "stop") or unwritable(tokenizer, written):
            continue
        ids = tuple(ids_of(spelling(tokenizer, option), option, text))
        other = known.setdefault((option, ids), text)
        if other != text:
            fault, cure = f"{other!r} and {text!r} are one to its tokenizer ({list(ids)})", "leave one out"
        elif ends & set(ids):
            ending = next(id for id in ids if id in ends)
            fault, cure = f"{text!r} holds {ending}, a token that ends a text", "leave it out"
        elif len(ids) >= most:
            size = len(ids) + 1
            fault = f"{text!r} takes {size} tokens with its end, and no text has more than {most}"
            cure = f"write `max_tokens: {size}`"
        else:
            continue
        message = f"`{option}` of {search.policy.id} cannot hold: {fault}"
        yield Problem("C280", "error", message, tree.place(_where(tree, path, option, index)), helps=(cure,))


def _unwritable(
    tree: Tree, path: YamlPath, policy: str, module: str, written: WrittenText, fault: str
) -> Problem:
    option, index, _ = written
    message = f"`{option}` of {policy} cannot be written by `{module}`: {fault}"
    helps = ("write it with words that its tokenizer has, or leave it out",)
    place = tree.place(_where(tree, path, option, index))
    return Problem("C281", "error", message, place, helps=helps)


def _where(tree: Tree, path: YamlPath, option: str, index: YamlPath = ()) -> YamlPath:
    """The first of these places that is written: a part of an option, the option, the search, the node."""
    here = (*path, "with", "search", "with", option)
    places: Iterable[YamlPath] = ((*here, *index), here, (*path, "with", "search"), path)
    return next(place for place in places if tree.node(place) is not None)


@dataclass(frozen=True)
class SearchRuleFaults:
    """Holds the rules of one `generate` node against its other options and the vocabulary of its decoder."""

    tree: Tree
    path: YamlPath
    """Of the node."""
    policy: str
    module: str
    vocabulary: Vocabulary
    size: int | None
    """How many ids the decoder writes."""
    tokenizer: Tokenizer | None = None
    """Of the decoder, where it is at hand: texts are then held as the ids that they are written with."""

    def found(self, rules: TextRules, options: GenerateOptions) -> Iterator[Problem]:
        """C280 for each of them."""
        yield from self._ids(rules)
        first, last = self._tokens(rules.first), self._tokens(rules.last)
        if len(first) > options.max_tokens:
            fault = f"`first` has {len(first)} tokens, and no text has more than {options.max_tokens}"
            yield self._problem("first", fault, f"write `max_tokens: {len(first)}`, or fewer tokens")
        ends = {self.vocabulary.end, *self.vocabulary.stop} & set(last)
        if ends and options.min_tokens >= options.max_tokens:
            fault = f"`last` ends a text of {options.max_tokens - 1} tokens, and `min_tokens` is {options.min_tokens}"
            yield self._problem("last", fault, f"write `min_tokens: {options.max_tokens - 1}`")
        runs = [self._tokens(each) for each in rules.forbidden]
        for option, ids in (("first", first), ("last", last)):
            if any(run and holds_run(ids, run) for run in runs):
                run = next(run for run in runs if run and holds_run(ids, run))
                fault = f"it holds the tokens {run}, which are among `forbidden`"
                yield self._problem(option, fault, "take them out of one of the two")

    def _tokens(self, words: object) -> list[int]:
        """The ids of what a rule names; none where that is not known."""
        if isinstance(words, str):
            try:
                return list(self.tokenizer.spell(words)) if self.tokenizer is not None else []  # type: ignore[attr-defined]
            except (InputError, AttributeError):
                return []
        return words if isinstance(words, list) else [] if words is None else [words]  # type: ignore[list-item]

    def _ids(self, rules: TextRules) -> Iterator[Problem]:
        if self.size is None:
            return
        for option in RULES:
            value = getattr(rules, option)
            parts = value if option == "forbidden" else [] if value is None else [value]
            for number, words in enumerate(parts):
                ids = words if isinstance(words, list) else [words]
                unknown = [id for id in ids if isinstance(id, int) and id >= self.size]
                if unknown:
                    at: YamlPath = (number,) if option == "forbidden" else ()
                    fault = f"{unknown[0]} is no token of `{self.module}`, which writes ids from 0 to {self.size - 1}"
                    yield self._problem(
                        option, fault, "write an id of its vocabulary, or the text itself", at
                    )

    def _problem(self, option: str, fault: str, cure: str, index: YamlPath = ()) -> Problem:
        message = f"`{option}` of {self.policy} cannot hold: {fault}"
        place = self.tree.place(_where(self.tree, self.path, option, index))
        return Problem("C280", "error", message, place, helps=(cure,))
