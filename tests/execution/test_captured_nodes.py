"""Nodes as captured graphs: on a pretended device, where a graph is the function that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pretended
import pytest
import torch
from pretended import near, pretended_cuda
from torch import Tensor

from composer.execution import load
from composer.execution.captured_nodes import MOST_SHAPES, CapturedNode
from composer.types import States

TASK = "image-caption"


@pytest.fixture
def captures() -> Iterator[list[int]]:
    """How often each graph ran, on the pretended device."""
    with pretended.captures() as runs, pretended_cuda(), torch.inference_mode():
        yield runs


class Node:
    """Doubles the values of states, and counts how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *, states: States, scale: Any = None) -> dict[str, Any]:
        self.calls += 1
        factor = 2 if scale is None else scale
        return {"states": States(states.values * factor, states.mask)}


def states(rows: int, value: float) -> States:
    return States(torch.full((rows, 3), value, device="cuda"), None)


def test_a_shape_that_comes_again_is_a_graph(captures: list[int]) -> None:
    node = CapturedNode("task.node", Node())
    kept = []
    for value in (1.0, 2.0, 3.0):
        kept.append(node(states=states(2, value))["states"])
    assert captures == [2]
    assert [float(near(each.values)[0, 0]) for each in kept] == [2.0, 4.0, 6.0]  # each has tensors of its own
    assert all(each.mask is None for each in kept)


def test_a_shape_that_comes_once_is_not(captures: list[int]) -> None:
    node = CapturedNode("task.node", Node())
    for rows in range(1, 7):
        node(states=states(rows, 1.0))
    assert captures == []


def test_few_shapes_stay_captured(captures: list[int]) -> None:
    node = CapturedNode("task.node", Node())
    for rows in range(1, MOST_SHAPES + 3):
        for _ in range(2):
            node(states=states(rows, 1.0))
    assert len(captures) == MOST_SHAPES + 2
    assert len(node._graphs) == MOST_SHAPES


def test_another_run_meanwhile_goes_by_the_function(captures: list[int]) -> None:
    function = Node()
    node = CapturedNode("task.node", function)
    for _ in range(2):
        node(states=states(1, 1.0))
    (graph,) = node._graphs.values()
    assert graph is not None
    before = function.calls
    with graph.free:
        assert float(near(node(states=states(1, 5.0))["states"].values)[0, 0]) == 10.0
    assert captures == [1]
    assert function.calls == before + 1


def test_what_cannot_be_a_graph_runs_as_it_is(captures: list[int]) -> None:
    def reads(*, states: States) -> Tensor:
        return states.values * float(states.values.sum())  # makes the host wait

    node = CapturedNode("task.node", reads)
    for _ in range(3):
        assert float(near(node(states=states(1, 1.0)))[0, 0]) == 3.0
    assert captures == []


@pytest.mark.parametrize("scale", [3, "text"])
def test_what_is_no_tensor_is_not_captured(captures: list[int], scale: Any) -> None:
    seen = []
    node = CapturedNode("task.node", lambda **values: seen.append(values["scale"]))
    for _ in range(3):
        node(states=states(1, 1.0), scale=scale)
    assert seen == [scale] * 3
    assert captures == []


def test_on_a_processor_and_with_gradients_nothing_is_captured() -> None:
    function = Node()
    node = CapturedNode("task.node", function)
    for _ in range(3):
        values = torch.ones(2, 3, requires_grad=True)
        assert node(states=States(values, None))["states"].values.requires_grad
    assert function.calls == 3


def test_a_fused_model_answers_from_graphs(tiny: Any, tmp_path: Any) -> None:
    """The compiler of the pretended device gives nothing: nodes are captured as they are."""
    raw = {"image": [str(tiny.picture)] * 2}
    expected = load(tiny.document, weights=tiny.weights, tasks=[TASK]).run(TASK, **raw)
    graphs = []
    for fuse in (None, tmp_path):
        with pretended.captures() as runs, pretended_cuda():
            model = load(tiny.document, weights=tiny.weights, tasks=[TASK], device="cuda", fuse=fuse)
            found = [model.run(TASK, **raw) for _ in range(3)]
        torch._dynamo.reset()
        graphs.append(len(runs))
        for each in found:
            assert each["caption"] == expected["caption"]
            torch.testing.assert_close(near(each["score"]), expected["score"], rtol=1e-4, atol=1e-5)
    plan = model.runner(TASK).plan
    (encode,) = (stage for stage in plan.stages if stage.kind == "encode")
    assert graphs[1] - graphs[0] == len([step for step in encode.steps if not step.node.is_in_place])
