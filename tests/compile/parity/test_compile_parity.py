"""The gate: what drifts is not written, and the node that is the cause is named with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch
from composer_compile.artifact.manifest_file import read_manifest
from composer_compile.backends.export_builder import ExportBuilder
from composer_compile.backends.export_loader import ExportLoader
from composer_compile.errors import CompileError
from composer_compile.tensors.differences import difference
from composer_compile.tensors.specs import ProgramSpec
from drifting import drift
from torch import Tensor, nn
from word_list import WORDS

from composer.cli import main
from composer.execution import load
from composer.plugin import Backend, Config, Method, ModuleType, NoConfig, Registry, hookimpl, load_registry
from composer.types import Signature, States
from composer.weights import save_weights

DOCUMENT = """\
composer: 1
name: drifting
modules:
  first: {uses: core.linear, with: {output_dim: 4}}
  unsteady: {uses: test.unsteady}
tasks:
  move:
    inputs:
      vectors: {modality: array, with: {kind: states, dims: [B, N, 4]}}
    nodes:
      before: {call: first, inputs: {states: vectors.states}}
      between: {call: unsteady, inputs: {states: before.states}}
      after: {call: first, inputs: {states: between.states}}
    outputs: {states: after.states}
    compile: {ranges: {batch: "2..3", vectors.length: "3..3"}}
"""


class Unsteady(nn.Module):
    """Counts its calls in Python: a program keeps the count of the moment when it was exported."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, *, states: States) -> States:
        self.calls += 1
        return States(states.values + self.calls, states.mask)


def build_unsteady(config: NoConfig) -> Unsteady:
    return Unsteady()


def _signature(config: Config) -> Signature:
    return Signature({"states": "states[B, N, 4]"}, {"states": "states[B, N, 4]"})


class Tired(nn.Module):
    """As `Unsteady`, but on numbers, and with a method that is steady."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, *, values: Tensor) -> Tensor:
        self.calls += 1
        return values + self.calls

    def steady(self, *, values: Tensor) -> Tensor:
        return values * 2


def build_tired(config: NoConfig) -> Tired:
    return Tired()


def _numbers(config: Config) -> Signature:
    return Signature({"values": "numbers[B]"}, {"values": "numbers[B]"})


LOADER = "composer_compile.backends.export_loader:ExportLoader"


class Fusing(ExportBuilder):
    """Computes the module `middle` wrongly wherever its node's value is not an output beside others."""

    def compile(self, spec: ProgramSpec, *arguments: Any) -> Any:
        shown = {each.name.partition(".")[0] for each in spec.outputs}
        middle: Any = spec.module.program.modules_by_name.get("middle")  # type: ignore[union-attr,operator]
        if middle is None or ("between" in shown and len(shown) > 1):
            return super().compile(spec, *arguments)
        right = middle.map.bias
        middle.map.bias = nn.Parameter(right + 1)
        try:
            return super().compile(spec, *arguments)
        finally:
            middle.map.bias = right


class Plugin:
    @hookimpl
    def composer_register(self, register: Any) -> None:
        unsteady = {"forward": Method(_signature)}
        tired = {"forward": Method(_numbers), "steady": Method(_numbers, attribute="steady")}
        register(ModuleType("test.unsteady", NoConfig, unsteady, f"{__name__}:build_unsteady", "Unsteady."))
        register(ModuleType("test.tired", NoConfig, tired, f"{__name__}:build_tired", "Tired."))
        register(Backend("fusing", f"{__name__}:Fusing", LOADER, "Wrong where nobody looks."))


@pytest.fixture
def registry() -> Registry:
    return load_registry([("test", Plugin())])


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "drifting.yaml"
    path.write_text(DOCUMENT)
    return path


def test_a_miss_names_the_first_diverging_node(document: Path, registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(
        CompileError, match=r"first node that differs is `between` \(.*drifting\.yaml:12:7\)"
    ) as caught:
        composer_compile.compile_document(document, tmp_path / "out", weights="initial", registry=registry)
    assert "differs by" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("steps", [("before",), ("before", "more", "most", "last")])
@pytest.mark.parametrize("later", [(), ("after",), ("after", "end", "ending")])
def test_a_fault_that_goes_away_where_it_is_looked_for_is_found(
    registry: Registry, tmp_path: Path, steps: tuple[str, ...], later: tuple[str, ...]
) -> None:
    """A chain of nodes, one of which a backend computes wrongly only while its value is not shown beside others."""
    names = [*steps, "between", *later]
    sources = ["vectors", *names[:-1]]
    nodes = [
        f"      {name}: {{call: {'middle' if name == 'between' else 'first'}, inputs: {{states: {source}.states}}}}\n"
        for name, source in zip(names, sources, strict=True)
    ]
    head, _, rest = DOCUMENT.partition("    nodes:\n")
    tail = rest[rest.index("    outputs") :].replace("after.states", f"{names[-1]}.states")
    path = tmp_path / "fused.yaml"
    path.write_text(
        head.replace("unsteady: {uses: test.unsteady}", "middle: {uses: core.linear, with: {output_dim: 4}}")
        + "    nodes:\n"
        + "".join(nodes)
        + tail
    )
    options = composer_compile.Options(backend="fusing", tolerance=1e-6)
    line = 11 + len(steps)
    expected = (
        rf"agree while their values are shown; .* first that differs is `between` \(.*fused\.yaml:{line}:7\)"
    )
    with pytest.raises(CompileError, match=expected):
        composer_compile.compile_document(
            path, tmp_path / "out", weights="initial", registry=registry, options=options
        )


def test_a_node_after_the_search_is_named(small: Any, registry: Registry, tmp_path: Path) -> None:
    """It is run on what the live search gave."""
    (tmp_path / "words.txt").write_bytes(small.document.with_name("words.txt").read_bytes())
    path = tmp_path / "after.yaml"
    text = small.document.read_text()
    modules, _, rest = text.partition("tasks:\n")
    caption = rest[rest.index("  caption:") : rest.index("  classify:")].replace(
        "    outputs: {caption: caption.text, score: caption.score}\n",
        "      twice: {call: tired.steady, inputs: {values: caption.score}}\n"
        "      late: {call: tired, inputs: {values: twice.values}}\n"
        "      again: {call: tired.steady, inputs: {values: late.values}}\n"
        "    outputs: {caption: caption.text, again: again.values}\n",
    )
    path.write_text(f"{modules}  tired: {{uses: test.tired}}\ntasks:\n{caption}")
    line = next(i for i, each in enumerate(path.read_text().splitlines(), 1) if "late: {" in each)
    with pytest.raises(CompileError, match=rf"first node that differs is `late` \(.*after\.yaml:{line}:7\)"):
        composer_compile.compile_document(path, tmp_path / "out", weights=small.weights, registry=registry)


def test_accepted_drift_is_noted(document: Path, registry: Registry, tmp_path: Path) -> None:
    options = composer_compile.Options(accept_drift=True)
    composer_compile.compile_document(
        document, tmp_path / "out", weights="initial", registry=registry, options=options
    )
    manifest = read_manifest((tmp_path / "out" / "manifest.json").read_bytes(), "out")
    assert not manifest.parity["move"].passed
    assert max(each.max_abs for each in manifest.parity["move"].differences) >= 1


def test_a_backend_that_drifts_is_caught_by_its_results(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drift(monkeypatch, lambda t: t * 1.01 if t.is_floating_point() else t)
    with pytest.raises(CompileError, match=r"task `classify`.*0\.0001 is accepted.*`words` \(.*small\.yaml:"):
        composer_compile.compile_document(
            small.document, tmp_path / "out", tasks=["classify"], weights=small.weights
        )


@pytest.mark.slow
def test_a_fault_in_the_memory_of_a_search_names_the_search(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and values of the memory have four axes; no node gives a tensor like that."""
    drift(monkeypatch, lambda t: t * 1.1 if t.ndim == 4 else t)
    line = next(
        i for i, each in enumerate(small.document.read_text().splitlines(), 1) if " answer: {" in each
    )
    with pytest.raises(CompileError, match=rf"first that differs is `answer` \(.*small\.yaml:{line}:7\)"):
        composer_compile.compile_document(
            small.document, tmp_path / "out", tasks=["video-qa"], weights=small.weights
        )


def test_lower_precision_is_compared_with_full_precision(small: Any, tmp_path: Path) -> None:
    options = composer_compile.Options(precision="bf16")
    manifest = composer_compile.compile_document(
        small.document, tmp_path / "out", tasks=["classify"], weights=small.weights, options=options
    )
    worst = max(each.max_rel for each in manifest.parity["classify"].differences)
    assert 1e-4 < worst < manifest.parity["classify"].tolerance == 0.1
    assert {weight.dtype for weight in manifest.weights.values()} == {"bfloat16"}
    with composer_compile.load(tmp_path / "out") as artifact:
        assert artifact.run(question="what")["scores"].dtype == torch.bfloat16


def test_every_corner_and_the_best_point_are_compared(small: Any) -> None:
    manifest = read_manifest((small.artifact / "manifest.json").read_bytes(), "it")
    found = manifest.parity["video-qa"].differences
    points = {(each.sizes["batch"], each.sizes["question.length"]) for each in found}
    assert points == {(1, 1), (1, 8), (4, 1), (4, 8), (2, 5)}
    for output in ("frames.states", "answer.cache", "answer.logits", "answer.ids"):
        at = [each for each in found if each.output == output]
        assert len(at) == (5 if output != "frames.states" else 0), output
    assert {each.ids for each in found if each.output == "answer.ids"} == {1.0}
    scores = [each for each in manifest.parity["classify"].differences if each.output == "scores.scores"]
    assert {each.argmax for each in scores} == {1.0}


def test_a_drift_at_a_mixed_corner_is_found(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that shows at one sample of the largest length alone."""
    load = ExportLoader.load

    def drifting(self: ExportLoader, *arguments: Any) -> Any:
        function = load(self, *arguments)

        def run(*tensors: torch.Tensor) -> Any:
            wrong = 1.01 if tensors[0].shape == (1, 8) else 1.0
            return [t * wrong if t.is_floating_point() else t for t in function(*tensors)]

        return run

    monkeypatch.setattr(ExportLoader, "load", drifting)
    with pytest.raises(CompileError, match=r"at batch=1, question\.length=8, and 0\.0001 is accepted"):
        composer_compile.compile_document(
            small.document, tmp_path / "out", tasks=["classify"], weights=small.weights
        )


def test_the_tolerance_that_is_asked_for_is_used(document: Path, registry: Registry, tmp_path: Path) -> None:
    """From the command line before the document, from the document before the default of the precision."""
    path = tmp_path / "loose.yaml"
    path.write_text(document.read_text().replace("compile: {", "compile: {tolerance: 100, "))
    manifest = composer_compile.compile_document(
        path, tmp_path / "loose", weights="initial", registry=registry
    )
    assert (manifest.parity["move"].tolerance, manifest.parity["move"].passed) == (100, True)
    strict = composer_compile.Options(tolerance=1e-9)
    with pytest.raises(CompileError, match="1e-09 is accepted"):
        composer_compile.compile_document(
            path, tmp_path / "strict", weights="initial", registry=registry, options=strict
        )


def test_what_was_not_compared_is_measured_by_verify(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for a GPU that is elsewhere: the samples are the live model's, and `verify` compares with them."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(
            ExportLoader, "mismatch", lambda self, made_with, device: "built for another machine"
        )
        manifest = composer_compile.compile_document(
            small.document, tmp_path / "out", tasks=["caption", "classify"], weights=small.weights
        )
    assert {each.not_measured for each in manifest.parity.values()} == {"built for another machine"}
    assert main(["verify", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "caption: ok" in shown
    assert "caption.logits" in shown
    assert "question.length 8" in shown  # every corner, not the smallest alone
    drift(monkeypatch, lambda t: t * 1.01 if t.is_floating_point() else t)
    assert main(["verify", str(tmp_path / "out")]) == 1
    assert "caption: DIFFERS" in capsys.readouterr().out


RANKED = """\
composer: 1
name: ranked
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 8, patch_size: 4, width: 16, layers: 1, heads: 2, frames: 2}}
  decoder:
    uses: mplug2.text_decoder
    with:
      {hidden: 16, heads: 2, layers: 1, vocabulary: 35, positions: 16, tokenizer: words.txt, start: 2, end: 3, pad: 0}
tasks:
  choose:
    inputs:
      video: {modality: video, with: {frames: 2, size: 8}}
      answers: {modality: text, with: {tokenizer: words.txt, max_tokens: 8}}
    nodes:
      frames: {call: vision, inputs: {pixels: video.pixels}}
      ranking: {call: decoder.rank, inputs: {memory: frames.states, candidates: answers.tokens}, with: {top: 3}}
    outputs: {best: ranking.ids}
    compile:
      ranges: {batch: "2..2", answers.batch: "4..4", answers.length: "4..4"}
      precision: bf16
"""


def test_ids_that_no_search_wrote_are_compared_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A port may be called `ids` without a search; a lower precision excuses only what a search went on from."""
    (tmp_path / "words.txt").write_text("\n".join(WORDS) + "\n")
    (tmp_path / "ranked.yaml").write_text(RANKED)
    torch.manual_seed(3)
    model = load(tmp_path / "ranked.yaml", weights="initial")
    for parameter in (each for module in model.modules.values() for each in module.parameters()):
        parameter.data.mul_(3).add_(torch.randn_like(parameter) * 0.3)  # so that bfloat16 ranks the same
    save_weights(model.modules, tmp_path / "w.safetensors")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(
            ExportLoader, "mismatch", lambda self, made_with, device: "built for another machine"
        )
        composer_compile.compile_document(
            tmp_path / "ranked.yaml", tmp_path / "out", weights=tmp_path / "w.safetensors"
        )
    assert main(["verify", str(tmp_path / "out")]) == 0
    drift(monkeypatch, lambda t: t if t.is_floating_point() else 4 - t)
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "out")]) == 1
    assert "choose: DIFFERS" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.0], [1.0, 2.5], 0.2),
        ([float("nan")], [1.0], 1e30),
        ([1.0], [float("nan")], 1e30),
        ([float("nan")], [float("nan")], 1e30),
        ([float("-inf"), 1.0], [float("-inf"), 1.0], 0.0),
        ([float("-inf")], [float("-inf")], 1e30),
        ([float("inf")], [float("-inf")], 1e30),
        ([1.0], [1.0, 2.0], 1e30),
    ],
)
def test_differences(ours: list[float], theirs: list[float], expected: float) -> None:
    found = difference("x", {}, torch.tensor(ours), torch.tensor(theirs))
    assert found.max_rel == pytest.approx(expected)
