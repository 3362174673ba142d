"""Rules of a search that cannot hold, as far as that is known without a tokenizer. Imported where there are some."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from composer.language import Tree
from composer.plugin import GenerateOptions, TextRules, Vocabulary
from composer.problems import Problem, YamlPath

__all__ = ["SearchRuleFaults"]


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

    def found(self, rules: TextRules, options: GenerateOptions) -> Iterator[Problem]:
        """C280 for each of them."""
        yield from self._ids(rules)
        first = rules.first if isinstance(rules.first, list) else []
        if len(first) > options.max_tokens:
            fault = f"`first` has {len(first)} tokens, and no text has more than {options.max_tokens}"
            yield self._problem("first", fault, f"write `max_tokens: {len(first)}`, or fewer tokens")
        last = rules.last if isinstance(rules.last, list) else [rules.last]
        ends = {self.vocabulary.end, *self.vocabulary.stop} & set(last)
        if ends and options.min_tokens >= options.max_tokens:
            fault = f"`last` ends a text of {options.max_tokens - 1} tokens, and `min_tokens` is {options.min_tokens}"
            yield self._problem("last", fault, f"write `min_tokens: {options.max_tokens - 1}`")

    def _ids(self, rules: TextRules) -> Iterator[Problem]:
        if self.size is None:
            return
        for option in ("forbidden", "first", "last"):
            value = getattr(rules, option)
            parts = value if option == "forbidden" else [] if value is None else [value]
            for number, words in enumerate(parts):
                ids = words if isinstance(words, list) else [words]
                unknown = [id for id in ids if isinstance(id, int) and id >= self.size]
                if unknown:
                    at = (option, number) if option == "forbidden" else (option,)
                    fault = f"{unknown[0]} is no token of `{self.module}`, which writes ids from 0 to {self.size - 1}"
                    yield self._problem(
                        option, fault, "write an id of its vocabulary, or the text itself", at
                    )

    def _problem(self, option: str, fault: str, cure: str, at: YamlPath = ()) -> Problem:
        here = (*self.path, "with", "search", "with")
        places = ((*here, *(at or (option,))), (*here, option), (*self.path, "with", "search"), self.path)
        where = next(place for place in places if self.tree.node(place) is not None)
        message = f"`{option}` of {self.policy} cannot hold: {fault}"
        return Problem("C280", "error", message, self.tree.place(where), helps=(cure,))
