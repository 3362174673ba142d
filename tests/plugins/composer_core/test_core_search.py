"""The plain search against every text that a small table of next-token scores allows."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest
import torch
from composer_core.configs import BeamConfig
from composer_core.search import BeamSearch
from diverse_beams import diverse_beams

from composer.plugin import Framing, TextRules

START, END, VOCABULARY = 1, 2, 6


class TableCache(NamedTuple):
    """A decoder whose next token depends on the last one alone: nothing to remember."""

    device: torch.device

    def reorder(self, parents):
        return self

    def select(self, rows):
        return self


def table(seed):
    return torch.randn(VOCABULARY, VOCABULARY, generator=torch.Generator().manual_seed(seed)) * 2


def step_of(scores):
    return lambda ids, cache: (scores[ids].clone(), cache)


def policy_of(min_tokens, max_tokens, beams=None, stop=()):
    framing = Framing(START, (END, *stop), 0, min_tokens, max_tokens)
    return BeamSearch(config=TextRules() if beams is None else BeamConfig(beams=beams), framing=framing)


def search(scores, batch=1, **options):
    policy = policy_of(**options)
    return policy.search(step_of(scores), TableCache(torch.device("cpu")), batch)


def score_of(scores, ids):
    logs = scores.log_softmax(-1)
    return float(sum(logs[a, b] for a, b in itertools.pairwise(ids)))


@pytest.mark.parametrize("seed", range(6))
def test_a_wide_beam_finds_the_best_text_of_all(seed):
    scores = table(seed)
    others = [t for t in range(VOCABULARY) if t != END]
    texts = [(START, *middle, END) for n in (1, 2) for middle in itertools.product(others, repeat=n)]
    texts += [(START, *middle) for middle in itertools.product(others, repeat=3)]
    best = max(texts, key=lambda ids: score_of(scores, ids))
    (found,) = search(scores, beams=125, min_tokens=1, max_tokens=3)
    assert found[0].ids == best
    assert found[0].score == pytest.approx(score_of(scores, best), abs=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_one_beam_takes_the_best_token_each_time_and_streams_the_same(seed):
    scores = table(seed)
    ids = [START]
    for position in range(8):
        row = scores[ids[-1]].clone()
        if position < 2:
            row[END] = -torch.inf
        ids.append(int(row.argmax()))
        if ids[-1] == END:
            break
    (found,) = search(scores, beams=1, min_tokens=2, max_tokens=8)
    assert found[0].ids == tuple(ids)
    policy = policy_of(min_tokens=2, max_tokens=8)
    streamed = list(policy.stream(step_of(scores), TableCache(torch.device("cpu"))))
    assert streamed == [t for t in ids[1:] if t != END]


def test_samples_of_a_batch_do_not_touch_each_other():
    scores = table(3)
    alone = search(scores, beams=3, min_tokens=1, max_tokens=6)[0]
    assert search(scores, batch=4, beams=3, min_tokens=1, max_tokens=6) == [alone] * 4


@pytest.mark.parametrize("seed", range(4))
def test_a_stop_ends_a_text_as_the_end_does(seed):
    scores = table(seed)
    others = [t for t in range(VOCABULARY) if t not in (END, 5)]
    texts = [(START, *m, e) for e in (END, 5) for n in (1, 2) for m in itertools.product(others, repeat=n)]
    texts += [(START, *middle) for middle in itertools.product(others, repeat=3)]
    best = max(texts, key=lambda ids: score_of(scores, ids))
    (found,) = search(scores, beams=125, min_tokens=1, max_tokens=3, stop=(5,))
    assert found[0].ids == best
    streamed = list(policy_of(1, 8, stop=(5,)).stream(step_of(scores), TableCache(torch.device("cpu"))))
    assert not {END, 5} & set(streamed)
    (greedy,) = search(scores, beams=1, min_tokens=1, max_tokens=8, stop=(5,))
    assert [t for t in greedy[0].ids[1:] if t not in (END, 5)] == streamed


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("beams", "groups"), [(4, 2), (6, 3), (3, 3)])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_groups_search_apart(seed, beams, groups, penalty):
    scores = table(seed)
    config = BeamConfig(beams=beams, groups=groups, diversity=0.7, length_penalty=penalty)
    policy = BeamSearch(config=config, framing=Framing(START, (END,), 0, 0, 6))
    found = policy.search(step_of(scores), TableCache(torch.device("cpu")), 2)
    logs = scores.log_softmax(-1).tolist()
    expected = diverse_beams(
        lambda ids: logs[ids[-1]], start=START, ends=(END,), beams=beams, groups=groups, diversity=0.7, most=6,
        length_penalty=penalty,
    )  # fmt: skip
    assert found[0] == found[1]
    assert [text.ids for text in found[0]] == [ids for ids, _ in expected]
    assert [text.score for text in found[0]] == pytest.approx([score for _, score in expected], abs=1e-4)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"length_penalty": 1.0},
        {"early_stop": True},
        {"groups": 2, "diversity": 0.5},
        {"early_stop": "never"},
    ],
    ids=str,
)
def test_beams_stream_what_they_find_and_take_nothing_back(seed, options):
    scores = table(seed)
    policy = BeamSearch(config=BeamConfig(beams=4, **options), framing=Framing(START, (END, 5), 0, 1, 9))
    cache = TableCache(torch.device("cpu"))
    ((best, *_),) = policy.search(step_of(scores), cache, 1)
    assert list(policy.stream(step_of(scores), cache)) == [t for t in best.ids[1:] if t not in (END, 5)]


def test_beams_stream_before_they_are_over():
    """What all beams begin with comes while they search."""
    scores = torch.full((VOCABULARY, VOCABULARY), -9.0)
    for token in range(VOCABULARY):
        scores[token, 3 + token % 3] = 5.0
    taken = []
    policy = BeamSearch(config=BeamConfig(beams=2), framing=Framing(START, (END,), 0, 1, 12))

    def step(ids, cache):
        taken.append(ids)
        return scores[ids].clone(), cache

    tokens = policy.stream(step, TableCache(torch.device("cpu")))
    next(tokens)
    assert len(taken) < 12
