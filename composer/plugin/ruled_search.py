"""Rules of texts around a search: the decoder's scores come to any policy with the rules of its config applied.

What a text has already lies in the cache, beside what the decoder remembers, so that it follows beams and samples
wherever the search takes them. Policies need to know nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from composer.plugin import logit_rules as rules
from composer.plugin.contracts import Cache, Framing, Stepper, Tokenizer
from composer.plugin.declarations import DrawRules, TextRules, Words
from composer.plugin.logit_rules import LogitRule, Written
from composer.plugin.stop_strings import stop_table
from composer.plugin.stop_tracking import StopTracker
from composer.plugin.written_words import holds_run, ids_of, spelling
from composer.problems import InputError

__all__ = ["RuledCache", "RuledDecoder", "SearchRules", "rules_of"]


def rules_of(
    config: object, framing: Framing, tokenizer: Tokenizer | None, what: str, *, normalises: bool
) -> SearchRules | None:
    """The rules that a policy's config asks for, None where it asks for none. Raises InputError for unusable ones."""
    if not isinstance(config, TextRules):
        return None
    asked = {name: getattr(config, name) for name in type(config).model_fields if _is_rule(name)}
    if all(value == _default(name) for name, value in asked.items()):
        return None
    words = _WordReader(tokenizer, what)
    found = SearchRules(
        framing=framing,
        config=config,
        normalises=normalises,
        runs=[words.read(each, "forbidden") for each in config.forbidden],
        first=[] if config.first is None else words.read(config.first, "first"),
        last=[] if config.last is None else words.read(config.last, "last"),
        stops=_stops(config.stop, tokenizer, what),
    )
    found.hold(what)
    return found


def _is_rule(name: str) -> bool:
    return name in DrawRules.model_fields


def _default(name: str) -> object:
    return DrawRules.model_fields[name].get_default(call_default_factory=True)


def _stops(stops: Sequence[str], tokenizer: Tokenizer | None, what: str) -> StopTracker | None:
    if not stops:
        return None
    reader = spelling(tokenizer, f"`stop` of {what}")
    return StopTracker(stop_table(reader, reader.size, stops))


@dataclass(frozen=True)
class _WordReader:
    """Tokens as documents write them, as ids."""

    tokenizer: Tokenizer | None
    what: str

    def read(self, words: Words, option: str) -> list[int]:
        if isinstance(words, int):
            return [words]
        if isinstance(words, list):
            return words
        return ids_of(spelling(self.tokenizer, f"`{option}` of {self.what}"), option, words)


class RuledCache(NamedTuple):
    """A decoder's cache with what its texts have already."""

    inner: Cache
    written: Tensor
    """[B, K, 1 + M] int64, see `Written.ids`."""
    length: Tensor
    """The place of the next token that is fed, [1] int64."""
    matched: Tensor | None
    """How much of a stop string each text ends with, [B, K] int64."""

    @property
    def device(self) -> torch.device:
        return self.inner.device

    def reorder(self, parents: Tensor) -> RuledCache:
        """Beam `k` of sample `b` goes on from its beam `parents[b, k]`."""
        places = parents.unsqueeze(-1).expand(-1, -1, self.written.shape[2])
        matched = None if self.matched is None else self.matched.gather(1, parents)
        return RuledCache(self.inner.reorder(parents), self.written.gather(1, places), self.length, matched)

    def select(self, rows: Tensor) -> RuledCache:
        """The samples `rows`[R] alone."""
        matched = None if self.matched is None else self.matched[rows]
        return RuledCache(self.inner.select(rows), self.written[rows], self.length, matched)


@dataclass
class SearchRules:
    """The rules of one search. Made for a device when a search on it begins."""

    framing: Framing
    config: TextRules
    normalises: bool
    runs: list[list[int]]
    first: list[int]
    last: list[int]
    stops: StopTracker | None
    """Of the stop strings; None where there are none, or the policy itself ends texts at them."""
    _made: dict[torch.device, list[LogitRule]] = field(default_factory=dict)

    def hold(self, what: str) -> None:
        """Raises InputError for rules that cannot hold together."""
        frame = self.framing
        if len(self.first) > frame.max_tokens:
            raise InputError(
                f"`first` of {what} has {len(self.first)} tokens, and `max_tokens` is {frame.max_tokens}: raise it"
            )
        if set(self.last) & set(frame.ends) and frame.min_tokens >= frame.max_tokens:
            raise InputError(
                f"`last` of {what} ends the text where it has {frame.max_tokens - 1} tokens, and `min_tokens` is "
                f"{frame.min_tokens}: lower `min_tokens`"
            )
        for name, ids in (("first", self.first), ("last", self.last)):
            hidden = next((run for run in self.runs if holds_run(ids, run)), None)
            if hidden is not None:
                raise InputError(f"`{name}` of {what} holds the tokens {hidden}, which are among `forbidden`")

    def begin(self, cache: Cache, batch: int, beams: int) -> RuledCache:
        """The cache before the first token."""
        self._rules(cache.device)
        size = (batch, beams)
        written = torch.full((*size, 1 + self.framing.max_tokens), rules.NOTHING, device=cache.device)
        length = torch.zeros(1, dtype=torch.int64, device=cache.device)
        matched = None if self.stops is None else self.stops.opening(size, cache.device)
        return RuledCache(cache, written, length, matched)

    def after_prompt(self, first: Tensor, cache: RuledCache) -> tuple[Tensor, RuledCache]:
        """The scores[B, K, V] that a prompt gave, with the rules, and the cache after it: nothing is written yet."""
        return self._scores(first, cache), cache._replace(length=cache.length + 1)

    def step(self, decoder: Stepper, ids: Tensor, cache: RuledCache) -> tuple[Tensor, RuledCache]:
        """A decoder's step, whose scores have the rules applied."""
        written = cache.written.index_copy(2, cache.length, ids.unsqueeze(2))
        matched = cache.matched
        if self.stops is not None and matched is not None:
            after = self.stops.after(matched, ids)
            matched = torch.where(cache.length == 0, matched, after)  # the start token is no text
        logits, inner = decoder.step(ids, cache.inner)
        seen = RuledCache(inner, written, cache.length, matched)
        return self._scores(logits, seen), seen._replace(length=cache.length + 1)

    def _scores(self, logits: Tensor, cache: RuledCache) -> Tensor:
        self._hold_ids(logits.shape[-1])
        scores = logits.float()
        if self.normalises:
            scores = scores.log_softmax(-1)
        is_stopped = None if self.stops is None or cache.matched is None else cache.matched == self.stops.over
        written = Written(cache.written, cache.length, is_stopped)
        for rule in self._rules(logits.device):
            scores = rule(scores, written)
        return scores

    def _hold_ids(self, size: int) -> None:
        named = {"forbidden": [id for run in self.runs for id in run], "first": self.first, "last": self.last}
        for name, ids in named.items():
            if ids and max(ids) >= size:
                raise InputError(
                    f"`{name}` holds the token {max(ids)}, and the decoder writes ids from 0 to {size - 1}"
                )

    def _rules(self, device: torch.device) -> list[LogitRule]:
        if device not in self._made:
            with torch.inference_mode(False):
                self._made[device] = list(self._pieces(device))
        return self._made[device]

    def _pieces(self, device: torch.device) -> list[LogitRule]:
        """In the order of `generate` of transformers."""
        config, frame = self.config, self.framing
        found: list[LogitRule] = []
        if config.repetition_penalty != 1:
            found.append(rules.penalise(config.repetition_penalty))
        if 0 < config.no_repeat_ngram <= frame.max_tokens + 1:
            found.append(rules.no_repeated_runs(config.no_repeat_ngram))
        runs = [run for run in self.runs if run not in ([end] for end in frame.ends)]
        if singles := [run[0] for run in runs if len(run) == 1]:
            found.append(rules.forbid(singles, device))
        for size in sorted({len(run) for run in runs if 1 < len(run) <= frame.max_tokens + 1}):
            found.append(rules.forbid_runs([run for run in runs if len(run) == size], device))
        if frame.min_tokens:
            found.append(rules.at_least(frame.min_tokens, frame.ends, device))
        if config.no_repeat_ngram or runs:
            found.append(rules.or_end(frame.end, device))
        if self.first:
            found.append(rules.begin_with(self.first, device))
        if self.last:
            found.append(rules.at_the_end(self.last, frame.max_tokens, device))
        if isinstance(config, DrawRules):
            found += _drawing(config)
        if self.stops is not None:
            found.append(rules.stop_matched(frame.end, frame.min_tokens, device))
        return found


def _drawing(config: DrawRules) -> list[LogitRule]:
    found = []
    if config.temperature != 1:
        found.append(rules.scale(config.temperature))
    if config.top_k:
        found.append(rules.keep_likeliest(config.top_k))
    if config.top_p < 1:
        found.append(rules.keep_share(config.top_p))
    if config.min_p:
        found.append(rules.keep_within(config.min_p))
    return found


@dataclass(frozen=True)
class RuledDecoder:
    """A decoder whose scores have the rules of a search applied. It takes the caches that `SearchRules.begin` gives."""

    decoder: Stepper
    rules: SearchRules

    def step(self, ids: Tensor, cache: RuledCache) -> tuple[Tensor, Cache]:
        return self.rules.step(self.decoder, ids, cache)
