"""The search of a `generate` node over its decoder: on a GPU a whole turn of it is one CUDA graph.

A turn is the cache's reordering, the decoder's step and what the search makes of its scores; what was decided lies in
tensors for all turns, at a position that is a tensor too. So the host only launches turns, and looks now and then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from composer.execution.captured import Captured, Graphs, Values
from composer.execution.captured_decoder import CapturedSteps
from composer.plugin import AdvancingPolicyImplementation, Cache, DecoderStep, Hypothesis, Seed, Stepper
from composer.plugin.implementations import BoundSearch, held_hypotheses
from composer.plugin.search_loop import (
    RunAsItIs,
    Taken,
    Turn,
    Turns,
    found_in,
    most_turns,
    next_turn,
    still_done,
    tokens_in,
)

__all__ = ["DecoderSearch", "TurnInPlace", "captured_turns"]


def _first_then(first: Tensor | None, step: DecoderStep) -> DecoderStep:
    """A decoder's step whose first call gives `first`, the logits[B, K, V] after a prompt, in place of running."""
    if first is None:
        return step
    waiting = [first]

    def run(ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        return (waiting.pop(), cache) if waiting else step(ids, cache)

    return run


class DecoderSearch:
    """Finds the tokens of a decoder with a search. Thread-safe.

    `captures`: whether the decoder's step may be part of a CUDA graph. A policy that advances turn by turn has whole
    turns captured, one that steps from each cache once the decoder's steps, and any other none.
    """

    def __init__(self, search: BoundSearch, decoder: Stepper, *, captures: bool) -> None:
        self.search = search
        self.decoder: Stepper = decoder
        if search.rules is not None:
            from composer.plugin.ruled_search import RuledDecoder

            self.decoder = decoder = RuledDecoder(decoder, search.rules)
        self.graphs: Graphs | None = None
        self.steps: CapturedSteps | None = None
        if captures and search.advancing is not None:
            policy = search.advancing
            self.graphs = Graphs(
                f"a turn of {search.policy.title} over a {type(decoder).__name__}",
                lambda: TurnInPlace(policy, decoder),
            )
        elif captures and search.policy.steps_once:
            self.steps = CapturedSteps(decoder)

    def find(
        self, cache: Cache, batch: int, seed: Seed, *, first: Tensor | None = None
    ) -> Sequence[Sequence[Hypothesis]]:
        """Every sample's hypotheses, best first; `first` are the scores[B, K, V] that a prompt gave.

        Raises PluginError where the policy gives something else.
        """
        if not isinstance(seed, int) and self.search.policy.seeded != "each":
            return self._one_by_one(cache, seed, first)
        cache, first = self._begun(cache, batch, first)
        policy = self.search.advancing
        turns = self._captured(cache, batch, seed, first)
        if policy is not None and turns is not None:
            return held_hypotheses(found_in(turns, policy, batch), batch, self.search.policy.title)
        return self.search.search(*self._stepping(cache, batch, first), batch, seed)

    def _one_by_one(
        self, cache: Cache, seeds: Sequence[int], first: Tensor | None
    ) -> Sequence[Sequence[Hypothesis]]:
        """Each sample by itself, for a policy that takes one seed at a time."""
        found: list[Sequence[Hypothesis]] = []
        for row, seed in enumerate(seeds):
            rows = torch.tensor([row], device=cache.device)
            found += self.find(cache.select(rows), 1, seed, first=None if first is None else first[rows])
        return found

    def stream(self, cache: Cache, seed: Seed, *, first: Tensor | None = None) -> Iterator[int]:
        """The tokens of one sample as they are settled."""
        cache, first = self._begun(cache, 1, first)
        policy = self.search.advancing
        turns = self._captured(cache, 1, seed, first)
        if policy is not None and turns is not None:
            return tokens_in(turns, policy)
        return self.search.stream(*self._stepping(cache, 1, first), seed)

    def turns(self, cache: Cache, batch: int, seed: Seed, *, first: Tensor | None = None) -> Turns:
        """The turns of a policy that advances turn by turn: captured where they are in an answer."""
        cache, first = self._begun(cache, batch, first)
        captured = self._captured(cache, batch, seed, first)
        if captured is not None:
            return captured
        policy = self.search.advancing
        assert policy is not None
        step, cache = self._stepping(cache, batch, first)
        return RunAsItIs(policy, step, cache, self.search.opening(batch, cache.device, seed))

    @torch.no_grad()
    def _begun(self, cache: Cache, batch: int, first: Tensor | None) -> tuple[Cache, Tensor | None]:
        """The cache and the scores after a prompt, with the rules of the search."""
        rules = self.search.rules
        if rules is None:
            return cache, first
        ruled = rules.begin(cache, batch, self.search.beams)
        return (ruled, None) if first is None else rules.after_prompt(first, ruled)[::-1]

    def _captured(self, cache: Cache, batch: int, seed: Seed, first: Tensor | None) -> Turns | None:
        """The turns of a search, captured; None where they are not."""
        policy = self.search.advancing
        if self.graphs is None or policy is None or cache.device.type != "cuda":
            return None
        with torch.no_grad():
            opening = self.search.opening(batch, cache.device, seed)
            return captured_turns(self.graphs, policy, cache, opening, first)

    def _stepping(self, cache: Cache, batch: int, first: Tensor | None) -> tuple[DecoderStep, Cache]:
        """What a policy that runs by itself calls for every token, and the cache to begin with."""
        step: DecoderStep = self.decoder.step
        if self.steps is not None and cache.device.type == "cuda":
            step, cache = self.steps.begin(cache, batch=batch, beams=self.search.beams)
        return _first_then(first, step), cache


class TurnInPlace:
    """A turn as a step that is captured: (cache, turn, position[1]) → the same of the next one.

    What is told of each turn goes to tensors [max_tokens, B, ...] at its position.
    """

    def __init__(self, policy: AdvancingPolicyImplementation, decoder: Stepper) -> None:
        self.policy = policy
        self.decoder = decoder
        self.told: list[Tensor] = []

    def __call__(self, values: Values) -> tuple[Values, None]:
        cache, before, position = values
        if before.tokens.shape[1] > 1:
            cache = cache.reorder(before.parents)
        cache, after = next_turn(self.policy, self.decoder.step, cache, before, position)
        after = still_done(before, after)
        if not self.told:
            most = self.policy.framing.max_tokens
            self.told = [each.new_empty((most, *each.shape)) for each in after.told]
        for place, each in zip(self.told, after.told, strict=True):
            place.index_copy_(0, position, each.unsqueeze(0))
        return (cache, after._replace(noted=()), position + 1), None


def captured_turns(
    graphs: Graphs,
    policy: AdvancingPolicyImplementation,
    cache: Cache,
    opening: Turn,
    first: Tensor | None = None,
) -> Turns | None:
    """The turns of a search in a graph of `TurnInPlace`; None where it cannot be captured, or another search has it.

    With `first`, the scores[B, K, V] that a prompt gave, the first turn needs no step.
    """
    position = torch.zeros(1, dtype=torch.int64, device=cache.device)
    before: list[Taken] = []
    last = opening
    if first is not None:
        if most_turns(policy) == 1:
            return None  # there is no other turn
        _, last = next_turn(policy, lambda ids, cache: (first, cache), cache, opening, position)
        before.append((list(range(len(last.tokens))), [each.unsqueeze(0) for each in last.told]))
        position = position + 1
    captured = graphs.lend((cache, last._replace(noted=()), position))
    return None if captured is None else _CapturedTurns(captured, before)


class _CapturedTurns:
    """Turns that are replays of one graph, after those before that were not."""

    narrows = False

    def __init__(self, captured: Captured, before: list[Taken]) -> None:
        self.captured = captured
        self.before = before
        self.waiting = len(before)
        self.replays = 0
        _, self.last, _ = captured.values

    def take(self) -> Turn:
        if self.waiting:
            self.waiting -= 1
        else:
            self.captured()
            self.replays += 1
        last: Turn = self.last
        return last

    def select(self, rows: list[int]) -> None:
        raise RuntimeError("each captured turn takes all samples")

    def taken(self) -> list[Taken]:
        step = self.captured.step
        assert isinstance(step, TurnInPlace)
        if not self.replays:
            return self.before
        start = len(self.before)
        rows = list(range(len(self.last.tokens)))
        return [*self.before, (rows, [each[start : start + self.replays] for each in step.told])]
