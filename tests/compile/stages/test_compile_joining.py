"""Stages that differ only in sizes are one program with a range, where the backend would have that and can."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import composer_compile
import numpy as np
import pytest
import torch
from composer_compile.artifact.manifest import GenerateEntry, Manifest, ProgramEntry, StageEntry
from composer_compile.artifact.weight_store import WeightStore
from composer_compile.backends.contract import Compiled
from composer_compile.backends.export_builder import ExportBuilder
from composer_compile.errors import CompileError
from composer_compile.options import BuildOptions
from composer_compile.tensors.specs import ProgramSpec
from composer_compile.tensors.variants import Variant
from torch import Tensor, nn
from word_list import WORDS

from composer.execution import Model, load
from composer.plugin import Backend, Config, Method, ModuleType, Registry, hookimpl, load_registry
from composer.types import Signature, States
from composer.weights import save_weights

DOCUMENT = """\
composer: 1
name: joined
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 8, patch_size: 4, width: 16, layers: 1, heads: 2, frames: 2}}
  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, vocabulary: 35, positions: 9}}
  fusion: {uses: mplug2.fusion, with: {hidden: 16, heads: 2, layers: 1}}
  decoder:
    uses: mplug2.text_decoder
    with:
      {hidden: 16, heads: 2, layers: 1, vocabulary: 35, positions: 16, tokenizer: words.txt, start: 2, end: 3, pad: 0}
  grown: {uses: test.grown}
  picky: {uses: test.picky}
tasks:
  short:
    inputs:
      question: {modality: text, with: {tokenizer: words.txt, max_tokens: 6}}
      video: {modality: video, with: {frames: 2, size: 8}}
    nodes:
      frames: {call: vision.video, inputs: {pixels: video.pixels}}
      words: {call: text, inputs: {tokens: question.tokens}}
      fused: {call: fusion, inputs: {text: words.states, vision: frames.states}}
      answer:
        generate: decoder
        inputs: {memory: fused.text}
        with: {max_tokens: 4, search: {uses: core.beam, with: {beams: 2}}}
    outputs: {answer: answer.text}
    compile: {ranges: {batch: "1..3", question.length: "2..6, best 4"}}
  long:
    inputs:
      statement: {modality: text, with: {tokenizer: words.txt, max_tokens: 9}}
      picture: {modality: image, with: {size: 8}}
    nodes:
      patches: {call: vision.image, inputs: {pixels: picture.pixels}}
      words: {call: text, inputs: {tokens: statement.tokens}}
      fused: {call: fusion, inputs: {vision: patches.states, text: words.states}}
      answer:
        generate: decoder
        inputs: {memory: fused.text}
        with: {max_tokens: 4, search: {uses: core.beam, with: {beams: 2}}}
    outputs: {answer: answer.text}
    compile: {ranges: {batch: "1..4", statement.length: "2..9, best 7"}}
  short-read:
    inputs: {question: {modality: text, with: {tokenizer: words.txt, max_tokens: 6}}}
    nodes: {words: {call: text, inputs: {tokens: question.tokens}}}
    outputs: {words: words.states}
    compile: {ranges: {batch: "1..3", question.length: "2..6"}}
  long-read:
    inputs: {statement: {modality: text, with: {tokenizer: words.txt, max_tokens: 9}}}
    nodes: {words: {call: text, inputs: {tokens: statement.tokens}}}
    outputs: {words: words.states}
    compile: {ranges: {batch: "1..4", statement.length: "2..9"}}
  branched:
    inputs: {question: {modality: text, with: {tokenizer: words.txt, max_tokens: 4}}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      more: {call: grown, inputs: {states: words.states}}
    outputs: {more: more.states}
    compile: {ranges: {batch: "1..3", question.length: "4..4"}}
  branched-else:
    inputs: {question: {modality: text, with: {tokenizer: words.txt, max_tokens: 8}}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      more: {call: grown, inputs: {states: words.states}}
    outputs: {more: more.states}
    compile: {ranges: {batch: "1..3", question.length: "8..8"}}
  picky-short:
    inputs: {question: {modality: text, with: {tokenizer: words.txt, max_tokens: 4}}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      same: {call: picky, inputs: {states: words.states}}
    outputs: {same: same.states}
    compile: {ranges: {batch: "1..3", question.length: "4..4"}}
  picky-long:
    inputs: {question: {modality: text, with: {tokenizer: words.txt, max_tokens: 8}}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      same: {call: picky, inputs: {states: words.states}}
    outputs: {same: same.states}
    compile: {ranges: {batch: "1..3", question.length: "8..8"}}
"""
SHORT = {"question": "what is it", "video": np.full((2, 8, 8, 3), 90, np.uint8)}
LONG = {"statement": "it is red", "picture": np.full((8, 8, 3), 30, np.uint8)}

QUESTIONS = {"branched": "what is it", "branched-else": "what is it what is it it"}


class GrownConfig(Config):
    """`with` of `test.grown`."""


class Grown(nn.Module):
    """Does something else from six rows up, which no graph with a range can say."""

    def forward(self, states: States) -> States:
        values: Tensor = states.values * 3 if states.values.shape[1] > 5 else states.values
        return States(values, states.mask)


class Picky(nn.Module):
    """Takes four rows or eight, and none between."""

    def forward(self, states: States) -> States:
        if states.values.shape[1] not in (4, 8):
            raise ValueError("four rows or eight")
        return states


def build_picky(config: GrownConfig) -> Picky:
    return Picky()


def build_grown(config: GrownConfig) -> Grown:
    return Grown()


def _same(config: GrownConfig) -> Signature:
    return Signature({"states": "states[B, L, D]"}, {"states": "states[B, L, D]"})


class Joining(ExportBuilder):
    """The export backend as one that builds per module and joins sizes; `built` is what it built."""

    per_module = True
    built: ClassVar[list[ProgramSpec]] = []
    refused: ClassVar[str] = ""
    """A node that it cannot build as a whole."""

    def check_options(self, options: BuildOptions, device: torch.device | None) -> None:
        pass

    def joins_sizes(self, options: BuildOptions) -> bool:
        return options.engine_sizes == "joined"

    def compile(
        self, spec: ProgramSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Compiled:
        if options.require_full and spec.nodes == (self.refused,):
            raise CompileError("something falls back")
        made = super().compile(spec, variant, store, options)
        self.built.append(spec)
        return made


class Plugin:
    @hookimpl
    def composer_register(self, register: Any) -> None:
        methods = {"forward": Method(_same)}
        register(ModuleType("test.grown", GrownConfig, methods, f"{__name__}:build_grown", "Grown."))
        register(ModuleType("test.picky", GrownConfig, methods, f"{__name__}:build_picky", "Picky."))
        loader = "composer_compile.backends.export_loader:ExportLoader"
        register(Backend("joining", f"{__name__}:Joining", loader, "Joins."))


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[ProgramSpec]:
    found: list[ProgramSpec] = []
    monkeypatch.setattr(Joining, "built", found)
    return found


def nodes_of(built: list[ProgramSpec]) -> list[tuple[str, ...]]:
    return sorted(spec.nodes for spec in built)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry([("test", Plugin())])


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Iterator[tuple[Path, Model]]:
    folder = tmp_path_factory.mktemp("joined")
    (folder / "words.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "joined.yaml").write_text(DOCUMENT)
    torch.manual_seed(5)
    model = load(folder / "joined.yaml", weights="initial", registry=registry)
    for module in model.modules.values():
        for parameter in module.parameters():
            parameter.data.mul_(3).add_(torch.randn_like(parameter) * 0.05)
    save_weights(model.modules, folder / "weights.safetensors")
    yield folder, model
    shutil.rmtree(folder)


def compiled(
    given: tuple[Path, Model],
    registry: Registry,
    out: Path,
    tasks: list[str],
    lines: list[str],
    backend: str = "joining",
    **options: Any,
) -> Manifest:
    folder, _ = given
    return composer_compile.compile_document(
        folder / "joined.yaml",
        out,
        tasks=tasks,
        weights=folder / "weights.safetensors",
        registry=registry,
        options=composer_compile.Options(backend=backend, build=BuildOptions(**options)),
        progress=lines.append,
    )


def programs(manifest: Manifest, task: str, nodes: list[str]) -> list[ProgramEntry]:
    parts = manifest.tasks[task].order
    stages = [part.decode if isinstance(part, GenerateEntry) else part for part in parts]
    return next(
        stage.programs for stage in reversed(stages) if isinstance(stage, StageEntry) and stage.nodes == nodes
    )


def answers_like_the_live_model(out: Path, model: Model, registry: Registry) -> None:
    with composer_compile.load(out, registry=registry) as artifact:
        for task, raw in (("short", SHORT), ("long", LONG)):
            assert artifact.run(task, **raw) == model.run(task, **raw)
            two = {name: [value, value] for name, value in raw.items()}
            assert artifact.run(task, **two) == model.run(task, **two)


@pytest.mark.slow
def test_tasks_of_other_sizes_share_their_programs(
    given: tuple[Path, Model], registry: Registry, built: list[ProgramSpec], tmp_path: Path
) -> None:
    manifest = compiled(given, registry, tmp_path / "out", ["short", "long"], [])
    # A clip and a picture are other methods of the encoder; everything behind them differs in sizes alone.
    assert nodes_of(built) == [("answer",), ("answer",), ("frames",), ("fused",), ("patches",), ("words",)]
    for nodes in (["words"], ["fused"], ["answer"]):
        (short,), (long,) = programs(manifest, "short", nodes), programs(manifest, "long", nodes)
        assert short.file == long.file
        assert short.weights == long.weights
        assert short.ranges["batch"].high == 3
        assert long.ranges["batch"].high == 4
    (words,) = programs(manifest, "short", ["words"])
    assert (words.ranges["question.length"].low, words.ranges["question.length"].high) == (2, 6)
    (fused,) = [spec for spec in built if spec.nodes == ("fused",)]
    ranges = {(found.low, found.high, found.best) for found in fused.ranges.values()}
    # Samples, rows of text, and patches of a picture (5) or of two frames (8 and one).
    assert {(1, 4), (2, 9)} < {(low, high) for low, high, _ in ranges}
    assert {best for low, high, best in ranges if (low, high) == (2, 9)} == {7}
    assert [tensor.role for tensor in fused.inputs].count("mask") >= 1
    answers_like_the_live_model(tmp_path / "out", given[1], registry)


READ = {"short-read": {"question": "what is it"}, "long-read": {"statement": "it is red"}}


def reads_like_the_live_model(out: Path, model: Model, registry: Registry) -> None:
    with composer_compile.load(out, registry=registry) as artifact:
        for task, raw in READ.items():
            ours, live = artifact.run(task, **raw), model.run(task, **raw)
            torch.testing.assert_close(ours["words"].values, live["words"].values)


def test_apart_where_the_user_wants_that(
    given: tuple[Path, Model], registry: Registry, built: list[ProgramSpec], tmp_path: Path
) -> None:
    manifest = compiled(given, registry, tmp_path / "out", [*READ], [], engine_sizes="apart")
    assert nodes_of(built) == [("words",), ("words",)]
    short, long = (programs(manifest, task, ["words"])[0] for task in READ)
    assert short.file != long.file
    reads_like_the_live_model(tmp_path / "out", given[1], registry)


def test_apart_where_the_backend_cannot_make_one(
    given: tuple[Path, Model],
    registry: Registry,
    built: list[ProgramSpec],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Joining, "refused", "words")
    lines: list[str] = []
    manifest = compiled(given, registry, tmp_path / "out", [*READ], lines)
    assert nodes_of(built) == [("words",), ("words",)]
    short, long = (programs(manifest, task, ["words"])[0] for task in READ)
    assert short.file != long.file
    (told,) = [line for line in lines if "not one program" in line]
    assert told.startswith("short-read: ")
    assert "something falls back" in told
    reads_like_the_live_model(tmp_path / "out", given[1], registry)


def test_a_module_that_does_otherwise_at_another_size_stays_apart(
    given: tuple[Path, Model], registry: Registry, built: list[ProgramSpec], tmp_path: Path
) -> None:
    _, model = given
    compiled(given, registry, tmp_path / "out", ["branched", "branched-else"], [])
    assert nodes_of(built).count(("words",)) == 1
    assert nodes_of(built).count(("more",)) == 2
    with composer_compile.load(tmp_path / "out", registry=registry) as artifact:
        for task in ("branched", "branched-else"):
            ours, live = (
                artifact.run(task, question=QUESTIONS[task]),
                model.run(task, question=QUESTIONS[task]),
            )
            torch.testing.assert_close(ours["more"].values, live["more"].values)


def test_sizes_between_that_a_module_does_not_take_are_told(
    given: tuple[Path, Model], registry: Registry, built: list[ProgramSpec], tmp_path: Path
) -> None:
    lines: list[str] = []
    compiled(given, registry, tmp_path / "out", ["picky-short", "picky-long"], lines)
    assert nodes_of(built).count(("same",)) == 2
    (told,) = [line for line in lines if "not one program" in line]
    assert told.startswith("picky-short: ")
    assert "same" in told
    assert "four rows or eight" in told


def test_only_a_backend_that_wants_it_joins(
    given: tuple[Path, Model], registry: Registry, tmp_path: Path
) -> None:
    manifest = compiled(given, registry, tmp_path / "out", [*READ], [], backend="export")
    files = [
        {p.file for s in manifest.tasks[t].order if isinstance(s, StageEntry) for p in s.programs}
        for t in READ
    ]
    assert not files[0] & files[1]
