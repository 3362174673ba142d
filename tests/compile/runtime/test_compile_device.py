"""Artifacts on a GPU, on a pretended one: made there, used there, and used elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from composer_compile.artifact.manifest import StageEntry
from composer_compile.backends.export_loader import ExportLoader
from composer_compile.errors import CompileError
from composer_compile.parity.records import verify_samples
from documents import toy_registry
from drifting import drift
from pretended import near, pretended_cuda

from composer.execution import Model, load
from composer.weights import save_weights

Clip = Callable[[int], np.ndarray]


def requests(clip: Clip) -> dict[str, dict[str, Any]]:
    return {
        "video-qa": {"video": [clip(1), clip(2), clip(3)], "question": ["what is it", "red", "a b c"]},
        "caption": {"video": clip(4)},
        "classify": {"question": ["what", "is it"]},
    }


def agree(runner: Any, model: Model, clip: Clip) -> None:
    """Every task answers as the live model on the processor."""
    for task, raw in requests(clip).items():
        expected, found = model.run(task, **raw), runner.run(task, **raw)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            for ours, theirs in zip(_tensors(found[name]), _tensors(value), strict=True):
                torch.testing.assert_close(near(ours), theirs, rtol=1e-4, atol=1e-5)
            if isinstance(value, (str, list)):
                assert found[name] == value


def _tensors(value: Any) -> list[torch.Tensor]:
    return [
        each for each in (value if isinstance(value, tuple) else [value]) if isinstance(each, torch.Tensor)
    ]


@pytest.fixture(scope="module")
def made_there(small: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact that was compiled on the device, through its gate."""
    folder = tmp_path_factory.mktemp("device") / "out"
    with pretended_cuda():
        manifest = composer_compile.compile_document(
            small.document, folder, weights=small.weights, device="cuda"
        )
    assert all(each.passed and each.differences for each in manifest.parity.values())
    stages = [part for part in manifest.tasks["video-qa"].order if isinstance(part, StageEntry)]
    assert [len(stage.programs) for stage in stages] == [1] * len(stages)  # size 1 was compared there, too
    return folder


def test_it_is_used_where_it_was_made(small: Any, made_there: Path, clip: Clip) -> None:
    with pretended_cuda() as device, composer_compile.load(made_there, device="cuda") as artifact:
        agree(artifact, small.model, clip)
        assert artifact.run("classify", question="a")["scores"].device == device
        assert all(each.passed for each in verify_samples(artifact))


def test_it_is_used_where_there_is_no_such_device(small: Any, made_there: Path, clip: Clip) -> None:
    with composer_compile.load(made_there) as artifact:
        agree(artifact, small.model, clip)


def test_one_of_the_processor_is_used_on_the_device(small: Any, clip: Clip) -> None:
    with pretended_cuda(), composer_compile.load(small.artifact, device="cuda") as artifact:
        agree(artifact, small.model, clip)
        assert (
            "".join(artifact.stream("caption", video=clip(4)))
            == small.model.run("caption", video=clip(4))["caption"]
        )
        assert all(each.passed for each in verify_samples(artifact))


def test_what_a_search_wrote_is_read_by_a_stage_on_the_device(small: Any, tmp_path: Path, clip: Clip) -> None:
    (tmp_path / "words.txt").write_bytes(small.document.with_name("words.txt").read_bytes())
    modules, _, rest = small.document.read_text().partition("tasks:\n")
    caption = rest[rest.index("  caption:") : rest.index("  classify:")].replace(
        "    outputs: {caption: caption.text, score: caption.score}\n",
        "      again: {call: read, inputs: caption.ids}\n"
        "      vector: {uses: core.pool, inputs: again}\n"
        "    outputs: {caption: caption.text, score: caption.score, vector: vector}\n",
    )
    path = tmp_path / "after.yaml"
    path.write_text(f"{modules}  read: {{uses: toy.read}}\ntasks:\n{caption}")
    model = load(path, weights="initial", registry=toy_registry())
    save_weights(model.modules, tmp_path / "weights.safetensors")
    with pretended_cuda():
        composer_compile.compile_document(
            path,
            tmp_path / "out",
            weights=tmp_path / "weights.safetensors",
            device="cuda",
            registry=toy_registry(),
        )
        with composer_compile.load(tmp_path / "out", device="cuda", registry=toy_registry()) as artifact:
            found, expected = artifact.run(video=clip(4)), model.run(video=clip(4))
            assert found["caption"] == expected["caption"]
            for name in ("score", "vector"):
                torch.testing.assert_close(near(found[name]), expected[name], rtol=1e-4, atol=1e-5)


def test_a_lower_precision_passes_there(small: Any, tmp_path: Path) -> None:
    options = composer_compile.Options(precision="bf16")
    with pretended_cuda():
        manifest = composer_compile.compile_document(
            small.document,
            tmp_path / "out",
            tasks=["classify"],
            weights=small.weights,
            device="cuda",
            options=options,
        )
    assert manifest.parity["classify"].passed


def test_a_drift_there_is_traced_to_its_node(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drift(monkeypatch, lambda t: t * 1.01 if t.is_floating_point() else t)
    with (
        pretended_cuda(),
        pytest.raises(CompileError, match=r"task `classify`.*the first node that differs is `words`"),
    ):
        composer_compile.compile_document(
            small.document, tmp_path / "out", tasks=["classify"], weights=small.weights, device="cuda"
        )


def test_live_and_compiled_are_compared_in_full_float32(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in TF32, which torch uses for convolutions on a GPU."""
    cudnn: Any = torch.backends.cudnn  # its switches have no types
    monkeypatch.setattr(
        cudnn, "allow_tf32", True
    )  # torch's default, which another test may have switched off

    def switches() -> tuple[bool, str, str]:
        return cudnn.allow_tf32, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision

    seen: set[bool] = set()
    real = ExportLoader.load

    def watched(self: ExportLoader, *arguments: Any) -> Any:
        function = real(self, *arguments)

        def run(*tensors: torch.Tensor) -> Any:
            seen.add(cudnn.allow_tf32)
            return function(*tensors)

        return run

    monkeypatch.setattr(ExportLoader, "load", watched)
    before = switches()
    composer_compile.compile_document(
        small.document, tmp_path / "out", tasks=["classify"], weights=small.weights
    )
    with composer_compile.load(tmp_path / "out") as artifact:
        verify_samples(artifact)
    assert seen == {False}
    assert switches() == before
    assert before[0] is True  # there was something to switch
