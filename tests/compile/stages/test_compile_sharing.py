"""What tasks have in common is one program; a module or a node may have a precision of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch
from composer_compile.artifact.manifest import GenerateEntry, Manifest, StageEntry
from composer_compile.artifact.summary import Sharing
from composer_compile.backends.export_builder import ExportBuilder
from composer_compile.errors import CompileError

BATCH = {"batch": "1..2"}
QUESTION = {"question": "what is it"}


@pytest.fixture(scope="module")
def shared(small: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shared") / "artifact"
    options = composer_compile.Options(ranges=BATCH)
    composer_compile.compile_document(
        small.document, out, tasks=["video-qa", "caption"], weights=small.weights, options=options
    )
    return out


def _stages(manifest: Manifest, task: str) -> list[StageEntry]:
    order = [part for part in manifest.tasks[task].order if not hasattr(part, "uses")]
    return [part.decode if isinstance(part, GenerateEntry) else part for part in order]  # type: ignore[union-attr,misc]


def _nodes(manifest: Manifest, task: str) -> list[list[str]]:
    return [stage.nodes for stage in _stages(manifest, task)]


def test_what_two_tasks_compute_is_one_program(shared: Path) -> None:
    with composer_compile.load(shared) as artifact:
        manifest = artifact.manifest
    qa, caption = _stages(manifest, "video-qa"), _stages(manifest, "caption")
    assert _nodes(manifest, "video-qa") == [["frames"], ["words", "fused", "memory", "answer"], ["answer"]]
    assert _nodes(manifest, "caption") == [["frames"], ["caption"], ["caption"]]
    assert qa[0].programs == caption[0].programs
    assert not {p.file for p in qa[1].programs} & {p.file for p in caption[1].programs}
    shared_bytes = sum((shared / program.file).stat().st_size for program in qa[0].programs)
    assert Sharing.of_programs(manifest).saved == shared_bytes


def test_inputs_that_are_read_alike_have_one_processor(shared: Path) -> None:
    """A vocabulary is in memory once, whoever reads with it."""
    with composer_compile.load(shared) as artifact:
        readers = [artifact.task(name).requests.host.processors["video"] for name in ("video-qa", "caption")]
    assert readers[0] is readers[1]


def test_both_tasks_answer_like_the_live_model(shared: Path, small: Any, clip: Any) -> None:
    with composer_compile.load(shared) as artifact:
        for seed in range(3):
            video = clip(seed)
            ours, live = artifact.run("caption", video=video), small.model.run("caption", video=video)
            assert ours["caption"] == live["caption"]
            torch.testing.assert_close(ours["score"], live["score"], rtol=1e-5, atol=1e-5)
            assert artifact.run("video-qa", video=video, **QUESTION) == small.model.run(
                "video-qa", video=video, **QUESTION
            )


def test_a_task_alone_is_one_program_up_to_its_first_token(small: Any) -> None:
    with composer_compile.load(small.artifact) as artifact:
        assert _nodes(artifact.manifest, "classify") == [["words", "vector", "scores"]]


def test_a_backend_that_builds_per_module_gets_every_module_once(
    small: Any, clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[tuple[str, ...]] = []
    compile_ = ExportBuilder.compile

    def counted(self: ExportBuilder, spec: Any, *rest: Any) -> Any:
        built.append(spec.nodes)
        return compile_(self, spec, *rest)

    monkeypatch.setattr(ExportBuilder, "per_module", True)
    monkeypatch.setattr(ExportBuilder, "compile", counted)
    options = composer_compile.Options(ranges={"batch": "1..1"})
    tasks = ["video-qa", "caption"]
    composer_compile.compile_document(
        small.document, tmp_path / "out", tasks=tasks, weights=small.weights, options=options
    )
    assert built.count(("frames",)) == 1
    # `memory` is stateless and goes with the module whose result it takes; a decoder begins and steps.
    once = [("words",), ("fused", "memory"), ("answer",), ("answer",), ("caption",), ("caption",)]
    assert sorted(built) == sorted([("frames",), *once])
    with composer_compile.load(tmp_path / "out") as artifact:
        video = clip(1)
        found = artifact.run("video-qa", video=video, **QUESTION)
        assert found == small.model.run("video-qa", video=video, **QUESTION)


@pytest.mark.parametrize("name", ["fusion", pytest.param("fused", marks=pytest.mark.slow)])
def test_a_module_or_a_node_keeps_a_precision_of_its_own(small: Any, tmp_path: Path, name: str) -> None:
    options = composer_compile.Options(
        ranges=BATCH, precision="fp16", precisions={name: "fp32"}, tolerance=0.1
    )
    manifest = composer_compile.compile_document(
        small.document, tmp_path / "out", tasks=["video-qa"], weights=small.weights, options=options
    )
    formats = {
        weight_name.partition(".")[0].partition("(")[0]: weight.dtype
        for weight in manifest.weights.values()
        for weight_name in weight.names
    }
    assert formats["fusion"] == "float32"
    assert {formats[other] for other in ("vision", "text", "decoder")} == {"float16"}
    # In running order: what fusion takes is in low precision, what it gives is not, and the cache is again.
    before, fused, after, _ = _stages(manifest, "video-qa")
    assert "fused" in fused.nodes
    assert {tensor.dtype for tensor in before.outputs if tensor.dtype != "int64"} == {"float16"}
    assert {tensor.dtype for tensor in fused.outputs if tensor.dtype != "int64"} == {"float32"}
    assert "float16" in {tensor.dtype for tensor in after.outputs}
    assert manifest.tasks["video-qa"].precisions == {"fused": "fp32"}
    assert manifest.parity["video-qa"].passed
    with composer_compile.load(tmp_path / "out") as artifact, torch.inference_mode():
        assert isinstance(
            artifact.run(video=torch.zeros(2, 8, 8, 3).byte().numpy(), **QUESTION)["answer"], str
        )


def test_a_precision_for_what_is_not_there_is_refused(small: Any, tmp_path: Path) -> None:
    options = composer_compile.Options(precisions={"fusoin": "fp32"})
    with pytest.raises(CompileError, match=r"no module or node `fusoin`; did you mean `fusion`"):
        composer_compile.compile_document(
            small.document, tmp_path / "out", weights=small.weights, options=options
        )
    assert not (tmp_path / "out").exists()
