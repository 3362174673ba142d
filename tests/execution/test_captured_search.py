"""Whole turns of a search as captured graphs: on a pretended device, where a graph is the function it was made of."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pretended
import pytest
import torch
from composer_core.configs import BeamConfig
from composer_core.search import BeamSearch
from composer_mplug2.configs import SearchConfig
from composer_mplug2.search import Mplug2Search
from pretended import launches, near, pretended_cuda, reads
from torch import Tensor

from composer.execution import captured, load
from composer.execution.captured import MOST_SHAPES, Graphs
from composer.execution.captured_search import TurnInPlace, captured_turns
from composer.plugin import Framing
from composer.plugin.search_loop import found_in, tokens_in

TASK = "image-caption"
RULES = "repetition_penalty: 1.3, no_repeat_ngram: 3, forbidden: [7, [8, 9]], stop: [word61 word62 word61]"
SEARCHES = [
    "{uses: mplug2.beam}",
    "{uses: core.beam, with: {beams: 3}}",
    "core.greedy",
    f"{{uses: core.beam, with: {{beams: 4, groups: 2, {RULES}}}}}",
    f"{{uses: core.sample, with: {{beams: null, top_k: 1, {RULES}}}}}",
]


@pytest.fixture
def captures() -> Iterator[list[int]]:
    """How often each captured turn ran, on the pretended device."""
    with pretended.captures() as runs, pretended_cuda():
        yield runs


@pytest.fixture
def model(tiny: Any, captures: list[int]) -> Any:
    return load(tiny.document, weights=tiny.weights, tasks=[TASK], device="cuda")


def pictures(tiny: Any, count: int) -> dict[str, Any]:
    return {"image": [str(tiny.picture)] * count}


def long_texts(tiny: Any, folder: Path, search: str, *, fewest: int = 17, most: int = 18) -> Path:
    path = folder / "long.yaml"
    path.write_text(
        f"composer: 1\nextends: {tiny.document}\ntasks:\n  {TASK}:\n    nodes:\n      description:\n"
        f"        with: {{min_tokens: {fewest}, max_tokens: {most}, search: {search}}}\n"
    )
    return path


def only_generator(model: Any) -> Any:
    (generator,) = model.runner(TASK).generators.values()
    return generator


def agree(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found["caption"] == expected["caption"]
    torch.testing.assert_close(near(found["score"]), expected["score"], rtol=1e-4, atol=1e-5)


def test_answers_are_those_of_the_processor(model: Any, tiny: Any, captures: list[int]) -> None:
    here = load(tiny.document, weights=tiny.weights, tasks=[TASK])
    for count in (1, 2, 1):
        agree(model.run(TASK, **pictures(tiny, count)), here.run(TASK, **pictures(tiny, count)))
    assert len(captures) == 2  # one for each batch
    assert captures[0] > captures[1] > 0


@pytest.mark.parametrize("search", SEARCHES)
def test_between_two_looks_of_the_host_there_are_graphs_alone(
    search: str, tiny: Any, tmp_path: Path, captures: list[int]
) -> None:
    """Eighteen turns, search included: eighteen launches, and a look after eight and after sixteen of them."""
    path = long_texts(tiny, tmp_path, search)
    expected = load(path, weights=tiny.weights, tasks=[TASK]).run(TASK, **pictures(tiny, 2))
    model = load(path, weights=tiny.weights, tasks=[TASK], device="cuda")
    agree(model.run(TASK, **pictures(tiny, 2)), expected)
    launched, read = len(launches), len(reads)
    agree(model.run(TASK, **pictures(tiny, 2)), expected)
    assert captures == [36]
    groups = itertools.groupby(launches[launched:], key=lambda name: name == "replay")
    before, *between, after = [(is_replay, len(list(group))) for is_replay, group in groups]
    assert not before[0]  # the cache and the first state are put into their places
    assert not after[0]
    look = (False, 1)  # whether all samples are done
    assert between == [(True, 8), look, (True, 8), look, (True, 2)]
    assert len(reads) - read <= 2 + 7  # the two looks, and what the texts are made of


def test_a_stream_reads_its_token_and_launches_graphs_alone(
    tiny: Any, tmp_path: Path, captures: list[int]
) -> None:
    path = long_texts(tiny, tmp_path, "core.greedy", fewest=5, most=6)
    raw = {"image": str(tiny.picture)}
    expected = load(path, weights=tiny.weights, tasks=[TASK]).run(TASK, **raw)["caption"]
    model = load(path, weights=tiny.weights, tasks=[TASK], device="cuda")
    assert "".join(model.stream(TASK, **raw)) == expected
    assert captures == [6]
    pieces = model.stream(TASK, **raw)
    launched = len(launches)
    assert "".join(pieces) == expected
    names = launches[launched:]
    first = names.index("replay")
    assert names[first:] == ["replay"] * 6


def test_a_second_search_of_the_same_shape_runs_as_it_is(
    tiny: Any, tmp_path: Path, captures: list[int]
) -> None:
    """The places are those of one search at a time; they are free again when it is over."""
    path = long_texts(tiny, tmp_path, "core.greedy", fewest=5, most=6)
    raw = {"image": str(tiny.picture)}
    model = load(path, weights=tiny.weights, tasks=[TASK], device="cuda")
    expected = "".join(model.stream(TASK, **raw))
    assert captures == [6]
    first, second = model.stream(TASK, **raw), model.stream(TASK, **raw)
    pieces = [[next(first)], [next(second)]]
    pieces[1] += second
    pieces[0] += first
    assert ["".join(each) for each in pieces] == [expected, expected]
    assert captures == [12]
    del first, second
    assert "".join(model.stream(TASK, **raw)) == expected
    assert captures == [18]


def test_captures_are_bounded(tiny: Any, model: Any, captures: list[int]) -> None:
    for count in range(1, MOST_SHAPES + 3):
        model.run(TASK, **pictures(tiny, count))
    assert len(captures) == MOST_SHAPES + 2
    model.run(TASK, **pictures(tiny, MOST_SHAPES + 2))
    assert len(captures) == MOST_SHAPES + 2
    model.run(TASK, **pictures(tiny, 1))
    assert len(captures) == MOST_SHAPES + 3


def reads_numbers(real: Callable[..., Any]) -> Callable[..., Any]:
    def advance(before: Any, logits: Tensor, position: Tensor) -> Any:
        assert int(position) < 100
        return real(before, logits, position)

    return advance


def makes_tensors(real: Callable[..., Any]) -> Callable[..., Any]:
    def advance(before: Any, logits: Tensor, position: Tensor) -> Any:
        return real(before, logits + torch.tensor([0.0], device=logits.device), position)

    return advance


def grows(real: Callable[..., Any]) -> Callable[..., Any]:
    def advance(before: Any, logits: Tensor, position: Tensor) -> Any:
        turn = real(before, logits, position)
        return turn._replace(state=(*turn.state, position))

    return advance


@pytest.mark.parametrize("fault", [reads_numbers, makes_tensors])
def test_what_cannot_be_captured_runs_as_it_is(
    fault: Any, model: Any, tiny: Any, captures: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    expected = load(tiny.document, weights=tiny.weights, tasks=[TASK]).run(TASK, **pictures(tiny, 1))
    policy = only_generator(model).search.implementation
    policy.advance = fault(policy.advance)
    with caplog.at_level("INFO", logger="composer.execution.captured"):
        for _ in range(2):
            agree(model.run(TASK, **pictures(tiny, 1)), expected)
    assert captures == []
    (told,) = caplog.messages
    assert told.startswith("a turn of search policy `mplug2.beam` of the plugin mplug2 ")
    assert told.endswith(
        " over a TextDecoder runs as it is: operation not permitted when stream is capturing"
    )


class Table(NamedTuple):
    """A cache of a fixed size: the last two tokens of every beam, for a model that is a table over them."""

    tables: Tensor
    """Per sample, [B, V, V, V]."""
    last: Tensor
    """[B, K]."""

    @property
    def device(self) -> torch.device:
        return self.last.device

    def reorder(self, parents: Tensor) -> Table:
        return Table(self.tables, self.last.gather(1, parents))

    def select(self, rows: Tensor) -> Table:
        return Table(self.tables[rows], self.last[rows])


def read_table(ids: Tensor, cache: Table) -> tuple[Tensor, Table]:
    samples = torch.arange(ids.shape[0], device=ids.device).unsqueeze(1)
    return cache.tables[samples, cache.last, ids], Table(cache.tables, ids)


VOCABULARY, END, STOP = 9, 2, 5
FRAMINGS = [(1, 6), (0, 1), (3, 7), (2, 20)]
POLICIES: dict[str, Callable[..., Any]] = {
    "core": lambda beams, framing: BeamSearch(config=BeamConfig(beams=beams), framing=framing),
    "mplug2": lambda beams, framing: Mplug2Search(config=SearchConfig(beams=beams), framing=framing),
}


def in_place(run: Any, begin: Any, device: Any) -> Any:
    begin()
    run()
    return run


def plain(texts: Any) -> list[list[tuple[tuple[int, ...], float]]]:
    return [[(tuple(text.ids), text.score) for text in each] for each in texts]


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("beams", [1, 3, 5])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_in_fixed_places_the_same_texts_are_found(name: str, beams: int, framing: tuple[int, int]) -> None:
    """Where samples stay until the last one is over, and every turn is the same program: on random tables."""
    policy = POLICIES[name](beams, Framing(1, (END, STOP), 0, *framing))
    graphs = Graphs("it", lambda: TurnInPlace(policy, SimpleNamespace(step=read_table)), capture=in_place)
    for seed in range(4):
        tables = 3 * torch.randn(3, *[VOCABULARY] * 3, generator=torch.Generator().manual_seed(seed))
        tables[..., END] += 2
        cache = Table(tables, torch.zeros(3, beams, dtype=torch.int64))
        expected = plain(policy.search(read_table, cache, 3))
        turns = captured_turns(graphs, policy, cache, policy.opening(3, cache.device))
        assert turns is not None
        assert plain(found_in(turns, policy, 3)) == expected
        del turns  # its places are free for what follows

        # The same where a prompt gave the scores of the first token.
        first, after = read_table(torch.ones(3, beams, dtype=torch.int64), cache)
        turns = captured_turns(graphs, policy, after, policy.opening(3, cache.device), first)
        if framing[1] == 1:
            assert turns is None  # there is no turn but the one that the prompt made
            continue
        assert turns is not None
        assert plain(found_in(turns, policy, 3)) == expected
        del turns

        if beams == 1:
            one = Table(tables[:1], cache.last[:1])
            turns = captured_turns(graphs, policy, one, policy.opening(1, cache.device))
            assert turns is not None
            assert list(tokens_in(turns, policy)) == list(policy.stream(read_table, one))
            del turns


@pytest.mark.parametrize("is_first", [True, False])
def test_a_graph_serves_in_and_outside_of_inference_mode(is_first: bool) -> None:
    policy = POLICIES["core"](2, Framing(1, (END,), 0, 1, 6))
    graphs = Graphs("it", lambda: TurnInPlace(policy, SimpleNamespace(step=read_table)), capture=in_place)
    tables = torch.randn(2, *[VOCABULARY] * 3, generator=torch.Generator().manual_seed(5), requires_grad=True)
    found = []
    for is_inference in (is_first, not is_first, is_first):
        with torch.inference_mode(is_inference), torch.no_grad():
            cache = Table(tables + 0, torch.zeros(2, 2, dtype=torch.int64))
            turns = captured_turns(graphs, policy, cache, policy.opening(2, cache.device))
            assert turns is not None
            found.append(plain(found_in(turns, policy, 2)))
            del turns
    assert found == [found[0]] * 3


def test_what_warming_up_did_is_undone() -> None:
    """A cache with room for one token takes one, however often the turn ran before it was captured."""
    policy = POLICIES["core"](1, Framing(1, (END,), 0, 0, 1))
    places: list[int] = []

    def step(ids: Tensor, cache: Table) -> tuple[Tensor, Table]:
        places.append(int(cache.last[0, 0]))
        return torch.zeros(1, 1, VOCABULARY), Table(cache.tables, cache.last + 1)

    def thrice(run: Any, begin: Any, device: Any) -> Any:
        for _ in range(3):
            begin()
            run()
        return run

    graphs = Graphs("it", lambda: TurnInPlace(policy, SimpleNamespace(step=step)), capture=thrice)
    cache = Table(torch.zeros(1), torch.zeros(1, 1, dtype=torch.int64))
    turns = captured_turns(graphs, policy, cache, policy.opening(1, cache.device))
    assert turns is not None
    found_in(turns, policy, 1)
    assert places == [0, 0, 0, 0]


def test_a_state_that_grows_is_not_captured(caplog: pytest.LogCaptureFixture) -> None:
    policy = POLICIES["core"](1, Framing(1, (END,), 0, 0, 4))
    policy.advance = grows(policy.advance)
    graphs = Graphs("it", lambda: TurnInPlace(policy, SimpleNamespace(step=read_table)), capture=in_place)
    cache = Table(torch.zeros(1, *[VOCABULARY] * 3), torch.zeros(1, 1, dtype=torch.int64))
    with caplog.at_level("INFO", logger=captured.__name__):
        assert captured_turns(graphs, policy, cache, policy.opening(1, cache.device)) is None
    assert caplog.messages == ["it runs as it is: its values change their form from step to step"]


def test_choices_take_as_many_graphs_as_levels(tiny: Any, tmp_path: Path, captures: list[int]) -> None:
    """`a man` and its end: three passes, and no look in between."""
    search = "{uses: core.choices, with: {beams: null, answers: [a man, a, the]}}"
    path = long_texts(tiny, tmp_path, search, fewest=1)
    expected = load(path, weights=tiny.weights, tasks=[TASK]).run(TASK, **pictures(tiny, 2))
    model = load(path, weights=tiny.weights, tasks=[TASK], device="cuda")
    agree(model.run(TASK, **pictures(tiny, 2)), expected)
    assert captures == [3]
