"""The promise of a search policy: it finds texts with nothing of a cache but what the contract says."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from composer.conformance.report import Failure
from composer.plugin.asking import ask, import_object
from composer.plugin.contracts import SearchPolicyImplementation, as_policy, held_hypotheses
from composer.plugin.declarations import GenerateOptions, SearchPolicy

__all__ = ["check_policy"]

VOCABULARY, PAD, START, END = 9, 0, 1, 2
BATCH, MIN_TOKENS, MAX_TOKENS = 3, 2, 5
BEAMS = (1, 3)
OFFERED = ("device", "reorder", "select")


class _Cache:
    """A cache that offers the contract and nothing else, as the one of a compiled artifact does."""

    __slots__ = ("_of",)

    def __init__(self, of: Tensor) -> None:
        self._of = of
        """`of[R, K]`: which sample each row and beam remembers; only the decoder below reads it."""

    @property
    def device(self) -> torch.device:
        return self._of.device

    def reorder(self, parents: Tensor) -> _Cache:
        return _Cache(self._of.gather(1, parents))

    def select(self, rows: Tensor) -> _Cache:
        return _Cache(self._of[rows])

    def __getattr__(self, name: str) -> Any:
        raise Failure(f"it reads `cache.{name}`; a cache offers {', '.join(OFFERED)} and nothing else")


def _step(ids: Tensor, cache: Any) -> tuple[Tensor, Any]:
    """Scores that depend on the sample and the last token; samples end after texts of unequal length."""
    of = cache._of
    if ids.shape != of.shape or ids.dtype != torch.int64:
        raise Failure(
            f"it gives the decoder ids {list(ids.shape)} of {ids.dtype}; int64 {list(of.shape)} are expected"
        )
    places = torch.arange(VOCABULARY, device=of.device)
    logits = -((places - (ids + of + 1).unsqueeze(-1) % VOCABULARY).abs()).float()
    return logits, cache


def check_policy(policy: SearchPolicy) -> str:
    """Search three samples with one beam and with three, and stream one; what is found keeps to the options."""
    implementation = import_object(policy.implementation, policy.title)
    for beams in BEAMS:
        options = GenerateOptions(
            beams=beams, min_tokens=MIN_TOKENS, max_tokens=MAX_TOKENS, penalty=policy.id
        )
        make = partial(implementation, options=options, start=START, end=END, pad=PAD)
        made = ask(make, what=policy.title, accept=as_policy)
        _check_search(made, beams, policy.title)
        if beams == 1 and callable(getattr(made, "stream", None)):
            _check_stream(made)
    return ""


def _cache(samples: int, beams: int) -> _Cache:
    return _Cache(torch.arange(samples).unsqueeze(1).expand(samples, beams).clone())


def _check_search(made: SearchPolicyImplementation, beams: int, title: str) -> None:
    found = held_hypotheses(made.search(_step, _cache(BATCH, beams), BATCH), BATCH, title)
    for texts in found:
        scores = [text.score for text in texts]
        if scores != sorted(scores, reverse=True):
            raise Failure(f"with {beams} beams, a sample's texts are not in order: the best comes first")
        for text in texts:
            _check_ids(tuple(text.ids), f"with {beams} beams")


def _check_ids(ids: tuple[Any, ...], when: str) -> None:
    if not ids or ids[0] != START:
        raise Failure(f"{when}, a text begins with {ids[:1]}; with the start token, {START}, is expected")
    if not all(isinstance(token, int) for token in ids):
        raise Failure(f"{when}, a text holds a {type(ids[-1]).__name__}; whole numbers are expected")
    tokens = [token for token in ids[1:] if token not in (END, PAD)]
    if len(tokens) > MAX_TOKENS:
        raise Failure(f"{when}, a text has {len(tokens)} tokens, and `max_tokens` is {MAX_TOKENS}")
    if END in ids[1 : 1 + MIN_TOKENS]:
        raise Failure(f"{when}, a text ends before it has {MIN_TOKENS} tokens, which `min_tokens` says")


def _check_stream(made: SearchPolicyImplementation) -> None:
    tokens = []
    for token in made.stream(_step, _cache(1, 1)):
        tokens.append(token)
        if len(tokens) > MAX_TOKENS:
            raise Failure(f"its stream goes on after {MAX_TOKENS} tokens, which `max_tokens` says")
    if END in tokens:
        raise Failure("its stream gives the end token, which ends it and is not given")
    if not all(isinstance(token, int) for token in tokens):
        raise Failure("its stream gives something else than whole numbers")
