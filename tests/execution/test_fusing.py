"""Fused encode stages: the same answers, sizes that stay open, and a compiler that fails is one sentence."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from composer.execution import load
from composer.execution.fusing import CACHE
from composer.execution.node_errors import NodeError
from composer.problems import InputError

TASK = "image-caption"


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Torch remembers in each process what it compiled."""
    yield
    torch._dynamo.reset()


def compiler() -> Any:
    """The module of torch whose `compile_fx` compiles; importing it warns of what torch itself will give up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch._inductor import compile_fx
    return compile_fx


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """A compiler that gives back the graph; the shapes that it was given, as text: `s0` is an open one."""
    seen: list[list[Any]] = []

    def compiled(graph: Any, examples: Any) -> Any:
        values = [node.meta.get("example_value") for node in graph.graph.find_nodes(op="placeholder")]
        seen.append([str(size) for each in values if isinstance(each, Tensor) for size in each.shape])
        return graph.forward

    monkeypatch.setattr(compiler(), "compile_fx", compiled)
    return seen


def raw(tiny: Any, count: int) -> dict[str, Any]:
    return {"image": [str(tiny.picture)] * count}


def test_answers_are_those_of_the_model_as_it_is(tiny: Any, tmp_path: Path, traced: list[Any]) -> None:
    plain = load(tiny.document, weights=tiny.weights, tasks=[TASK])
    fused = load(tiny.document, weights=tiny.weights, tasks=[TASK], fuse=tmp_path / "kept")
    for count in (1, 2, 3):
        found, expected = fused.run(TASK, **raw(tiny, count)), plain.run(TASK, **raw(tiny, count))
        assert found["caption"] == expected["caption"]
        torch.testing.assert_close(found["score"], expected["score"], rtol=1e-4, atol=1e-5)
    assert traced
    assert fused.fusing is not None
    assert fused.fusing.refused == {}
    assert fused.fusing.compiled == len(traced)
    assert fused.fusing.seconds > 0
    assert str(tmp_path / "kept") in str(fused.fusing)
    assert plain.fusing is None


def test_sizes_that_requests_bring_stay_open(tiny: Any, tmp_path: Path, traced: list[Any]) -> None:
    fused = load(tiny.document, weights=tiny.weights, tasks=[TASK], fuse=tmp_path)
    fused.run(TASK, **raw(tiny, 2))
    made = len(traced)
    assert all(any(size.startswith("s") for size in shapes) for shapes in traced)
    for count in (3, 5):
        fused.run(TASK, **raw(tiny, count))
    assert len(traced) == made


def test_sessions_and_streams_are_fused_too(tiny: Any, tmp_path: Path, traced: list[Any]) -> None:
    plain = load(tiny.document, weights=tiny.weights, tasks=["image-qa"])
    fused = load(tiny.document, weights=tiny.weights, tasks=["image-qa"], fuse=tmp_path)
    given = {"image": str(tiny.picture), "question": "what is it"}
    asked = fused.session("image-qa", image=given["image"]).ask(question=given["question"])
    assert asked["answer"] == plain.run("image-qa", **given)["answer"]
    assert traced


def test_a_compiler_that_fails_is_one_sentence(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: Any) -> Any:
        raise RuntimeError("no compiler is here\nand many lines follow")

    monkeypatch.setattr(compiler(), "compile_fx", failing)
    plain = load(tiny.document, weights=tiny.weights, tasks=[TASK])
    fused = load(tiny.document, weights=tiny.weights, tasks=[TASK], fuse=tmp_path)
    with caplog.at_level(logging.WARNING, logger="composer"):
        for _ in range(2):
            found = fused.run(TASK, **raw(tiny, 1))
            assert found["caption"] == plain.run(TASK, **raw(tiny, 1))["caption"]
    assert fused.fusing is not None
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        f"node `{node}` is not fused, and runs as it is: no compiler is here" for node in fused.fusing.refused
    ]
    assert f"{TASK}.frames" in fused.fusing.refused
    assert "is not fused: no compiler is here" in str(fused.fusing)


def test_what_is_a_modules_own_fault_stays_its_own(tiny: Any, tmp_path: Path, traced: list[Any]) -> None:
    fused = load(tiny.document, weights=tiny.weights, tasks=[TASK], fuse=tmp_path)

    def broken(**_: Any) -> Any:
        raise ValueError("it is broken")

    fused.modules["vision"].forward = broken
    with pytest.raises(NodeError, match=r"node `\w+` of task `image-caption` .*it is broken"):
        fused.run(TASK, **raw(tiny, 1))
    assert fused.fusing is not None
    assert fused.fusing.refused == {}


def test_where_torch_keeps_its_files_is_as_it_was(
    tiny: Any, tmp_path: Path, traced: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path / "mine"))
    load(tiny.document, weights=tiny.weights, tasks=[TASK], fuse=tmp_path / "kept").run(TASK, **raw(tiny, 1))
    assert traced
    assert os.environ[CACHE] == str(tmp_path / "mine")


def test_a_folder_that_cannot_be_made_is_told(tiny: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        InputError, match=r"what is fused cannot be kept in .*file.*: .*; name another folder"
    ):
        load(tiny.document, weights=tiny.weights, fuse=tmp_path / "file")


def test_a_folder_without_a_name_is_told(tiny: Any) -> None:
    with pytest.raises(InputError, match="its name is empty"):
        load(tiny.document, weights=tiny.weights, fuse="")


@pytest.mark.slow
def test_the_next_process_finds_what_was_compiled(tiny: Any, tmp_path: Path) -> None:
    from torch._dynamo.utils import counters

    plain = load(tiny.document, weights=tiny.weights, tasks=[TASK]).run(TASK, **raw(tiny, 2))
    found: list[tuple[int, int]] = []
    for _ in range(2):
        torch._dynamo.reset()
        counters.clear()
        fused = load(tiny.document, weights=tiny.weights, tasks=[TASK], fuse=tmp_path)
        assert fused.run(TASK, **raw(tiny, 2))["caption"] == plain["caption"]
        assert fused.fusing is not None
        assert fused.fusing.refused == {}
        found.append((counters["inductor"]["fxgraph_cache_miss"], counters["inductor"]["fxgraph_cache_hit"]))
    (missed, hit), (missed_again, hit_again) = found
    assert (missed > 0, hit, missed_again) == (True, 0, 0)
    assert hit_again + counters["aot_autograd"]["autograd_cache_hit"] > 0
