"""The search against a plain reading of the published one: whole prefixes, one sample at a time, no cache."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch
from composer_mplug2.configs import SearchConfig
from composer_mplug2.search import Mplug2Hypothesis, Mplug2Search
from torch import Tensor

from composer.plugin import Framing

START, END, PAD, VOCABULARY = 1, 2, 0, 9


class Options(NamedTuple):
    beams: int
    min_tokens: int = 1
    max_tokens: int = 20


def search_of(options: Options, *stop: int) -> Mplug2Search:
    framing = Framing(START, (END, *stop), PAD, options.min_tokens, options.max_tokens)
    return Mplug2Search(config=SearchConfig(beams=options.beams), framing=framing)


class Prefixes(NamedTuple):
    """A cache that remembers every beam's whole text, for a language model that is a table over pairs of tokens."""

    tables: Tensor
    """Per sample, [B, V, V, V]: the scores after the last two tokens."""
    texts: Tensor
    """[B, K, length]."""
    length: Tensor

    @property
    def device(self) -> torch.device:
        return self.length.device

    def reorder(self, parents: Tensor) -> Prefixes:
        return self._replace(texts=self.texts.gather(1, parents.unsqueeze(-1).expand_as(self.texts)))

    def select(self, rows: Tensor) -> Prefixes:
        return Prefixes(self.tables[rows], self.texts[rows], self.length)


def step(ids: Tensor, cache: Prefixes) -> tuple[Tensor, Prefixes]:
    texts = torch.cat((cache.texts, ids.unsqueeze(-1)), dim=-1)
    before = texts[:, :, -2] if texts.shape[-1] > 1 else torch.full_like(ids, PAD)
    samples = torch.arange(ids.shape[0]).unsqueeze(1)
    return cache.tables[samples, before, ids], Prefixes(cache.tables, texts, cache.length + 1)


def fresh(tables: Tensor, beams: int) -> Prefixes:
    return Prefixes(
        tables, torch.empty(len(tables), beams, 0, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
    )


def published(table: Tensor, options: Options) -> list[tuple[list[int], float]]:
    """One sample, in plain Python: what the published search stores, best first."""
    alive, stored = [([START], 0.0)], []
    for position in range(options.max_tokens):
        penalty = ((5 + position + 1) / 6) ** 0.6
        grown = []
        for text, score in alive:
            before = text[-2] if len(text) > 1 else PAD
            for token, value in enumerate(table[before, text[-1]].softmax(-1).log().tolist()):
                forbidden = token == END and position < options.min_tokens
                grown.append(([*text, token], (score + (-1e20 if forbidden else value)) / penalty))
        grown = sorted(grown, key=lambda entry: -entry[1])[: options.beams]
        last = position + 1 == options.max_tokens
        over = last or grown[0][0][-1] == END
        stored += [entry for entry in grown if over or entry[0][-1] == END]
        if over:
            break
        alive = [(text, score * penalty) for text, score in grown]
    return sorted(stored, key=lambda entry: -entry[1])[: options.beams]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("beams", "minimum", "maximum"), [(1, 1, 6), (3, 1, 8), (5, 3, 7), (4, 0, 1)])
def test_a_batch_finds_what_each_sample_finds_alone(seed, beams, minimum, maximum) -> None:
    generator = torch.Generator().manual_seed(seed)
    tables = 3 * torch.randn(4, VOCABULARY, VOCABULARY, VOCABULARY, generator=generator)
    tables[:, :, :, END] += 2  # texts end at different lengths, so that samples leave the batch one by one
    options = Options(beams=beams, min_tokens=minimum, max_tokens=maximum)
    policy = search_of(options)
    found = policy.search(step, fresh(tables, beams), len(tables))
    for table, texts in zip(tables, found, strict=True):
        expected = published(table, options)
        assert [text.ids for text in texts] == [ids for ids, _ in expected]
        assert [text.score for text in texts] == pytest.approx([score for _, score in expected], rel=1e-4)


def test_finished_samples_leave_the_batch() -> None:
    sizes = []
    tables = torch.zeros(2, VOCABULARY, VOCABULARY, VOCABULARY)
    tables[0, :, :, END] = 9  # ends at once; the other never does
    tables[1, :, :, END] = -9

    def counted(ids: Tensor, cache: Prefixes) -> tuple[Tensor, Prefixes]:
        sizes.append(len(ids))
        return step(ids, cache)

    options = Options(beams=2, min_tokens=0, max_tokens=4)
    found = search_of(options).search(counted, fresh(tables, 2), 2)
    assert sizes == [2, 1, 1, 1]
    assert found[0][0].ids == [START, END]
    assert len(found[1][0].ids) == 5


def test_a_finished_beam_that_is_not_the_best_goes_on() -> None:
    """Its text is stored, and longer ones with an end token inside are found as well."""
    table = torch.full((VOCABULARY, VOCABULARY, VOCABULARY), -20.0)
    table[:, :, 3] = 0.2
    table[:, :, END] = 0.0
    table[:, END, 3] = 20.0
    options = Options(beams=2, min_tokens=0, max_tokens=3)
    texts = search_of(options).search(step, fresh(table[None], 2), 1)[0]
    assert [text.ids for text in texts] == [[START, END], [START, END, 3, 3]]


@pytest.mark.parametrize("seed", range(6))
def test_streaming_gives_the_tokens_of_greedy_search(seed) -> None:
    generator = torch.Generator().manual_seed(seed)
    tables = 3 * torch.randn(1, VOCABULARY, VOCABULARY, VOCABULARY, generator=generator)
    options = Options(beams=1, min_tokens=1, max_tokens=7)
    policy = search_of(options)
    best = policy.search(step, fresh(tables, 1), 1)[0][0]
    streamed = list(policy.stream(step, fresh(tables, 1)))
    assert best.ids in ([START, *streamed], [START, *streamed, END])
    assert math.isfinite(best.score)


def test_a_token_streams_as_soon_as_it_is_chosen() -> None:
    calls = []

    def counted(ids: Tensor, cache: Prefixes) -> tuple[Tensor, Prefixes]:
        calls.append(ids)
        return step(ids, cache)

    table = torch.zeros(1, VOCABULARY, VOCABULARY, VOCABULARY)
    table[..., 3] = 5
    options = Options(beams=1, max_tokens=4)
    stream = search_of(options).stream(counted, fresh(table, 1))
    assert (next(stream), len(calls)) == (3, 1)
    assert (next(stream), len(calls)) == (3, 2)


def test_hypotheses_hold_plain_values() -> None:
    options = Options(beams=2, max_tokens=2)
    table = torch.zeros(1, VOCABULARY, VOCABULARY, VOCABULARY)
    texts = search_of(options).search(step, fresh(table, 2), 1)[0]
    assert all(
        isinstance(text, Mplug2Hypothesis) and type(text.ids) is list and type(text.score) is float
        for text in texts
    )


@pytest.mark.parametrize("beams", [1, 3])
def test_a_stop_ends_a_text_as_the_end_does(beams: int) -> None:
    """Against the same search with the scores of the two ids exchanged."""
    stop = 5
    table = 3 * torch.randn(1, VOCABULARY, VOCABULARY, VOCABULARY, generator=torch.Generator().manual_seed(2))
    table[..., END] = -1e9
    swapped = table.clone()
    swapped[..., [END, stop]] = table[..., [stop, END]]
    options = Options(beams, min_tokens=2, max_tokens=8)
    found = search_of(options, stop).search(step, fresh(table, beams), 1)[0]
    expected = search_of(options).search(step, fresh(swapped, beams), 1)[0]
    assert [[END if id == stop else id for id in text.ids] for text in found[:1]] == [expected[0].ids]
    assert found[0].score == pytest.approx(expected[0].score)
