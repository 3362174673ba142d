"""The plain search against every text there is: a toy decoder whose scores depend on the whole text so far."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import pytest
import torch
from composer_core.search import PlainSearch
from torch import Tensor

from composer.plugin import GenerateOptions, load_registry

START, END, PAD, VOCABULARY = 0, 1, 2, 5


@dataclass(frozen=True)
class Cache:
    """Remembers every beam's text, as a real cache remembers its keys and values."""

    texts: list[list[tuple[int, ...]]]
    tables: list[int]
    """Which sample each row is."""

    @property
    def length(self) -> Tensor:
        return torch.tensor([len(self.texts[0][0])])

    def reorder(self, parents: Tensor) -> Cache:
        return replace(
            self, texts=[[row[p] for p in ps] for row, ps in zip(self.texts, parents.tolist(), strict=True)]
        )

    def select(self, rows: Tensor) -> Cache:
        return Cache([self.texts[r] for r in rows.tolist()], [self.tables[r] for r in rows.tolist()])


def fresh(batch: int, beams: int) -> Cache:
    return Cache([[()] * beams for _ in range(batch)], list(range(batch)))


def logits_after(text: tuple[int, ...], sample: int) -> Tensor:
    """Scores of the next token, different for every text and sample."""
    seed = sample
    for token in text:
        seed = seed * 31 + token + 7
    return 2.5 * torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(seed))


def step(ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
    rows = zip(cache.texts, ids.tolist(), strict=True)
    texts = [[(*text, token) for text, token in zip(row, tokens, strict=True)] for row, tokens in rows]
    logits = [
        [logits_after(text, sample) for text in row] for row, sample in zip(texts, cache.tables, strict=True)
    ]
    return torch.stack([torch.stack(row) for row in logits]), replace(cache, texts=texts)


def search_of(beams: int, min_tokens: int, max_tokens: int) -> PlainSearch:
    options = GenerateOptions(beams=beams, min_tokens=min_tokens, max_tokens=max_tokens)
    return PlainSearch(options=options, start=START, end=END, pad=PAD)


def score_of(text: tuple[int, ...], sample: int, min_tokens: int) -> float:
    """Summed log-probability of a text, computed token by token."""
    total = 0.0
    for position in range(1, len(text)):
        scores = logits_after(text[:position], sample).log_softmax(dim=-1)
        if position - 1 < min_tokens:
            scores[END] = -torch.inf
        total += float(scores[text[position]])
    return total


def all_texts(max_tokens: int) -> list[tuple[int, ...]]:
    """Every text: it ends with the end token, or has `max_tokens` others."""
    others = [token for token in range(VOCABULARY) if token != END]
    ended = [(START, *body, END) for n in range(max_tokens) for body in product(others, repeat=n)]
    return ended + [(START, *body) for body in product(others, repeat=max_tokens)]


@pytest.mark.parametrize("min_tokens", [0, 1, 2])
def test_wide_beams_find_the_most_probable_texts_of_all(min_tokens: int) -> None:
    max_tokens, beams, batch = 3, 64, 4
    found = search_of(beams, min_tokens, max_tokens).search(step, fresh(batch, beams), batch)
    for sample in range(batch):
        scores = {text: score_of(text, sample, min_tokens) for text in all_texts(max_tokens)}
        best = sorted(scores, key=lambda text: -scores[text])[:10]
        assert [tuple(text.ids) for text in found[sample][:10]] == best
        assert [text.score for text in found[sample][:10]] == pytest.approx(
            [scores[text] for text in best], abs=1e-4
        )


@pytest.mark.parametrize("beams", [1, 2, 3, 5])
def test_a_sample_gives_the_same_alone_and_in_a_batch(beams: int) -> None:
    searched = search_of(beams, 1, 6).search(step, fresh(3, beams), 3)
    for sample in range(3):
        alone = Cache([[()] * beams], [sample])
        assert search_of(beams, 1, 6).search(step, alone, 1)[0] == searched[sample]


@pytest.mark.parametrize("beams", [1, 2, 4])
def test_results_are_ordered_scored_and_as_many_as_the_beams(beams: int) -> None:
    for sample, texts in enumerate(search_of(beams, 1, 5).search(step, fresh(6, beams), 6)):
        assert len(texts) == beams
        assert [text.score for text in texts] == sorted((text.score for text in texts), reverse=True)
        for text in texts:
            assert text.score == pytest.approx(score_of(tuple(text.ids), sample, 1), abs=1e-4)


@pytest.mark.parametrize("sample", range(8))
def test_a_stream_is_greedy_search(sample: int) -> None:
    greedy = search_of(1, 1, 6).search(step, Cache([[()]], [sample]), 1)[0][0].ids
    streamed = list(search_of(1, 1, 6).stream(step, Cache([[()]], [sample])))
    assert [START, *streamed] == [token for token in greedy if token != END]


def test_the_default_of_a_generate_node_is_registered() -> None:
    assert GenerateOptions().penalty in load_registry().policies
