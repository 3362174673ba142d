"""On a GPU: the live model and the export artifact give there what the live model gives on the processor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch

from composer.execution import Model, load

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here"),
]
TASKS = ["video-qa", "image-caption", "image-qa-rank"]


@pytest.fixture(scope="module")
def exact() -> Iterator[None]:
    """Matrix products in full float32, as on the processor."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.fixture(scope="module")
def requests(tiny: Any) -> dict[str, dict[str, Any]]:
    picture, clip = str(tiny.picture), str(tiny.clip)
    return {
        "video-qa": {"video": [clip, clip], "question": ["a b", "c"]},
        "image-caption": {"image": picture},
        "image-qa-rank": {"image": picture, "question": "a", "answers": ["a b", "c d", "e"]},
    }


@pytest.fixture(scope="module")
def on_processor(tiny: Any) -> Model:
    return load(tiny.document, weights=tiny.weights, tasks=TASKS)


def agree(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(value.cpu(), theirs[name].cpu(), rtol=1e-3, atol=1e-4)
        else:
            assert value == theirs[name]


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("task", TASKS)
def test_the_live_model_answers_as_on_the_processor(
    task: str, tiny: Any, on_processor: Model, requests: dict[str, dict[str, Any]]
) -> None:
    model = load(tiny.document, weights=tiny.weights, tasks=[task], device="cuda")
    for _ in range(2):  # the second time from the graphs that the first one captured
        agree(model.run(task, **requests[task]), on_processor.run(task, **requests[task]))


@pytest.mark.usefixtures("exact")
def test_steps_of_a_search_are_captured(
    tiny: Any, requests: dict[str, dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is said of a step that runs as it is, and the decoder itself is not called when the shape is known."""
    model = load(tiny.document, weights=tiny.weights, tasks=["image-caption"], device="cuda")
    with caplog.at_level("INFO", logger="composer.execution.captured"):
        expected = model.run("image-caption", **requests["image-caption"])
    assert caplog.messages == []
    (generator,) = model.runner("image-caption").generators.values()

    def never(*arguments: Any) -> Any:
        raise AssertionError("a captured step is not called again")

    generator.decoder.step = never  # type: ignore[method-assign]
    agree(model.run("image-caption", **requests["image-caption"]), expected)


SEARCHES = ["{uses: mplug2.beam}", "{uses: core.beam, with: {beams: 3}}", "core.greedy"]


@pytest.mark.usefixtures("exact")
@pytest.mark.filterwarnings("ignore")  # of the profiler
@pytest.mark.parametrize("search", SEARCHES)
def test_a_turn_of_a_search_is_one_launch(search: str, tiny: Any, tmp_path: Path) -> None:
    """Eighteen turns are eighteen graphs; between them the host looks twice, and launches nothing but those looks."""
    path = tmp_path / "long.yaml"
    path.write_text(
        f"composer: 1\nextends: {tiny.document}\ntasks:\n  image-caption:\n    nodes:\n      description:\n"
        f"        with: {{min_tokens: 17, max_tokens: 18, search: {search}}}\n"
    )
    raw = {"image": [str(tiny.picture)] * 2}
    model = load(path, weights=tiny.weights, tasks=["image-caption"], device="cuda")
    expected = load(path, weights=tiny.weights, tasks=["image-caption"]).run("image-caption", **raw)
    agree(model.run("image-caption", **raw), expected)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    ) as profile:
        agree(model.run("image-caption", **raw), expected)
    calls = [
        event.name
        for event in sorted(profile.events(), key=lambda event: event.time_range.start)
        if event.name.startswith("cuda")
    ]
    places = [number for number, name in enumerate(calls) if name.startswith("cudaGraphLaunch")]
    assert len(places) == 18
    between = calls[places[0] : places[-1]]
    looks = 2
    assert sum(name.startswith("cudaLaunchKernel") for name in between) <= 2 * looks
    assert sum(name.startswith("cudaMemcpy") for name in between) <= looks
    waits = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
    assert sum(name.startswith(waits) for name in between) <= looks


@pytest.mark.usefixtures("exact")
def test_a_text_is_streamed_from_graphs(tiny: Any, requests: dict[str, dict[str, Any]]) -> None:
    settings = {"beams": 1}
    expected = load(tiny.document, weights=tiny.weights, settings=settings, tasks=["image-caption"])
    model = load(
        tiny.document, weights=tiny.weights, settings=settings, tasks=["image-caption"], device="cuda"
    )
    for _ in range(2):
        pieces = model.stream("image-caption", **requests["image-caption"])
        assert "".join(pieces) == expected.run("image-caption", **requests["image-caption"])["caption"]


@pytest.mark.usefixtures("exact")
@pytest.mark.filterwarnings("ignore")
def test_an_artifact_made_here_answers_as_on_the_processor(
    tiny: Any, on_processor: Model, requests: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """Compiled on the processor and used on the GPU: programs of the backend export are bound to no device."""
    options = composer_compile.Options(ranges={"batch": "1..2", "answers.batch": "3..4"})
    composer_compile.compile_document(
        tiny.document, tmp_path / "out", weights=tiny.weights, tasks=TASKS, options=options
    )
    with composer_compile.load(tmp_path / "out", device="cuda") as artifact:
        for task in TASKS:
            agree(artifact.run(task, **requests[task]), on_processor.run(task, **requests[task]))


@pytest.mark.usefixtures("exact")
@pytest.mark.filterwarnings("ignore")
def test_an_artifact_compiled_on_the_gpu_passes_its_gate(tiny: Any, tmp_path: Path) -> None:
    options = composer_compile.Options(ranges={"batch": "1..2"}, precision="bf16")
    manifest = composer_compile.compile_document(
        tiny.document,
        tmp_path / "out",
        weights=tiny.weights,
        tasks=["image-caption"],
        options=options,
        device="cuda",
    )
    assert manifest.parity["image-caption"].passed
