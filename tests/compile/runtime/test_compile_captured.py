"""Steps of an artifact's searches as captured graphs: on a pretended device, where a graph is a function."""

from __future__ import annotations

from typing import Any

import composer_compile
import pytest
import torch
from composer_compile.backends.export_loader import ExportLoader
from pretended import captures, launches, near, pretended_cuda, reads

from composer.execution import load
from composer.execution.captured import capturing


@pytest.mark.parametrize("task", ["caption", "video-qa"])
def test_an_artifact_answers_from_captured_steps(small: Any, clip: Any, task: str) -> None:
    raw: dict[str, Any] = {"video": [clip(3), clip(5)]}
    if task == "video-qa":
        raw["question"] = ["what is it", "is it red"]
    expected = load(small.document, weights=small.weights, tasks=[task]).run(task, **raw)
    with (
        pretended_cuda(),
        captures() as runs,
        composer_compile.load(small.artifact, device="cuda") as artifact,
    ):
        for _ in range(2):
            found = artifact.run(task, **raw)
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                if isinstance(value, torch.Tensor):
                    torch.testing.assert_close(near(found[name]), value, rtol=1e-4, atol=1e-5)
                else:
                    assert found[name] == value
        searched, *stages = runs
        assert searched > 1
        assert stages == [1]  # what is encoded, once its shapes had come a second time
        launched, read = len(launches), len(reads)
        artifact.run(task, **raw)
        names = launches[launched:]
        replays = [index for index, name in enumerate(names) if name == "replay"][len(stages) :]
        # Whole turns, in fewer than the host looks after.
        assert replays == list(range(replays[0], replays[0] + len(replays)))
        assert len(replays) > 1
        assert len(reads) - read <= 8


def test_a_program_that_captures_by_itself_runs_as_it_is(
    small: Any, clip: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As one of the backend tensorrt with an engine that the library runs."""
    expected = load(small.document, weights=small.weights, tasks=["caption"]).run("caption", video=clip(3))
    real = ExportLoader.load

    def loaded(*arguments: Any) -> Any:
        program = real(*arguments)

        def run(*tensors: Any) -> Any:
            if capturing() is not None:
                raise RuntimeError("it captures by itself")
            return program(*tensors)

        return run

    monkeypatch.setattr(ExportLoader, "load", loaded)
    with (
        pretended_cuda(),
        captures() as runs,
        composer_compile.load(small.artifact, device="cuda") as artifact,
        caplog.at_level("INFO", logger="composer.execution"),
    ):
        for _ in range(2):
            assert artifact.run("caption", video=clip(3))["caption"] == expected["caption"]
        assert runs == []
    search, stage = caplog.messages
    assert search.endswith(" over a CompiledDecoder runs as it is: it captures by itself")
    assert stage == "node `encode` runs as it is: it captures by itself"


@pytest.mark.parametrize(
    ("attribute", "value", "expected"), [("capturable", False, 0), ("captures_itself", True, 1)]
)
def test_a_backend_that_captures_by_itself_is_left_alone(
    small: Any, clip: Any, monkeypatch: pytest.MonkeyPatch, attribute: str, value: bool, expected: int
) -> None:
    """Whole turns of a search hold its programs all the same, where they can be held."""
    monkeypatch.setattr(ExportLoader, attribute, value)
    with (
        pretended_cuda(),
        captures() as runs,
        composer_compile.load(small.artifact, device="cuda") as artifact,
    ):
        for _ in range(2):
            artifact.run("caption", video=clip(3))
        assert len(runs) == expected
