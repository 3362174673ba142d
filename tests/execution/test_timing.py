"""The time of a run by node: every node that ran, in order, and nothing that did not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from composer.execution import Timing, load
from composer.execution.node_errors import NodeError
from composer.plan import current_watch

PICTURE = Path(__file__).parents[2] / "examples" / "quickstart" / "picture.png"


def test_every_node_is_timed_once_in_order_and_again_with_every_run() -> None:
    with load("quickstart", tasks=["image-qa"]) as model:
        steps = [step.name for step in model.runner("image-qa").plan.steps]
        raw = {"image": str(PICTURE), "question": "is there a circle?"}
        with Timing(torch.device("cpu")) as timing:
            answer = model.run("image-qa", **raw)
            assert [(name, node.runs) for name, node in timing.nodes.items()] == [(n, 1) for n in steps]
            session = model.session("image-qa", image=str(PICTURE))
            assert session.ask(question="is there a circle?") == answer
        assert [node.runs for node in timing.nodes.values()] == [2] * len(steps)
        assert current_watch() is None
        model.run("image-qa", **raw)  # outside of the block: not timed
        assert {node.runs for node in timing.nodes.values()} == {2}
    spent = sum(node.seconds for node in timing.nodes.values())
    assert 0 < spent <= timing.seconds
    assert timing.beside == pytest.approx(timing.seconds - spent)


def test_a_node_that_fails_is_timed_and_the_watch_ends() -> None:
    timing = Timing(torch.device("cpu"))
    with load("quickstart", tasks=["image-qa"]) as model:
        last = model.runner("image-qa").plan.steps[-1].name

        def fails(*_: object, **__: object) -> None:
            raise ValueError("no more")

        model.runner("image-qa").generators[last].decoder.step = fails  # type: ignore[method-assign, assignment]
        with pytest.raises(NodeError, match="no more"), timing:
            model.run("image-qa", image=str(PICTURE), question="is there a circle?")
    assert current_watch() is None
    assert timing.nodes[last].runs == 1
    assert timing.nodes[last].seconds > 0
    assert list(timing.nodes)[-1] == last
    assert str(timing).splitlines()[0].split() == ["node", "calls", "runs", "ms", "share"]


def test_the_table_has_a_row_for_every_node_and_json_says_the_same() -> None:
    with load("quickstart", tasks=["image-caption"]) as model, Timing(model.device) as timing:
        pieces = list(model.stream("image-caption", image=str(PICTURE)))
    names = [line.split()[0] for line in str(timing).splitlines()]
    steps = [step.name for step in model.report.tasks["image-caption"].nodes.values()]
    found = json.loads(json.dumps(timing.as_json()))
    assert [node["name"] for node in found["nodes"]] == names[1:-2]
    assert set(names[1:-2]) <= set(steps)
    assert found["nodes"][-1]["runs"] == len(pieces) + 1  # a search is timed piece by piece, and to its end
