"""What a plugin declares that torch cannot export is refused by node, line and reason, before anything is traced."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import composer_compile
import numpy as np
import pytest
from composer_compile import compiler
from composer_compile.errors import CompileError
from composer_compile.plan import planner
from composer_compile.plan.planner import plan_document
from torch import Tensor, nn

from composer.execution import load
from composer.plugin import (
    Generation,
    Method,
    Modality,
    ModuleType,
    NoConfig,
    Registry,
    Vocabulary,
    hookimpl,
    load_registry,
)
from composer.types import Field, Kind, Signature, States

DOCUMENT = """\
composer: 1
name: refusing
modules:
  wild: {uses: test.wild}
tasks:
  tame:
    inputs:
      vectors: {modality: array, with: {kind: states, dims: [B, N, 4]}}
    nodes:
      calm: {call: wild.calm, inputs: {states: vectors.states}}
    outputs: {states: calm.states}
  rough:
    inputs:
      vectors: {modality: array, with: {kind: states, dims: [B, N, 4]}}
    nodes:
      calm: {call: wild.calm, inputs: {states: vectors.states}}
      first: {call: wild, inputs: {states: calm.states}}
      tale: {generate: wild, inputs: {memory: first.states}}
    outputs: {states: first.states, tale: tale.text}
"""


class Wild(nn.Module):
    """Looks at values, on one of its methods."""

    def forward(self, *, states: States) -> States:
        return States(states.values * (2.0 if states.values.sum().item() > 0 else 3.0), states.mask)

    def calm(self, *, states: States) -> States:
        return States(states.values + 1, states.mask)

    def start(self, **memory: Tensor) -> Any:
        raise NotImplementedError

    def step(self, ids: Tensor, cache: Any) -> Any:
        raise NotImplementedError


def build_wild(config: NoConfig) -> Wild:
    return Wild()


def _signature(config: Any) -> Signature:
    return Signature({"states": "states[B, N, 4]"}, {"states": "states[B, N, 4]"})


def _generate(config: Any, options: Any) -> Signature:
    return Signature({"memory": "states[B, N, 4]"}, {"text": "text[B]"})


def _vocabulary(config: Any) -> Vocabulary:
    return Vocabulary("text", {"tokenizer": "bert-uncased"}, start=101, end=102, pad=0)


class Plugin:
    @hookimpl
    def composer_register(self, register: Any) -> None:
        methods = {
            "forward": Method(_signature, not_exportable="it looks at the values of its states"),
            "calm": Method(_signature, attribute="calm"),
        }
        generation = Generation(_generate, _vocabulary, not_exportable="its cache grows in Python")
        reference = f"{__name__}:build_wild"
        register(ModuleType("test.wild", NoConfig, methods, reference, "Wild.", generation=generation))


@pytest.fixture
def registry() -> Registry:
    return load_registry([("test", Plugin())])


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "refusing.yaml"
    path.write_text(DOCUMENT)
    return path


MESSAGE = (
    r"task `rough` cannot be compiled: node `first` \(.*refusing\.yaml:17:7\) calls test\.wild, which cannot be "
    r"exported: it looks at the values of its states; .*node `tale` \(.*refusing\.yaml:18:7\) .*its cache grows"
)


def never(*args: object, **kwargs: object) -> None:
    raise AssertionError("something was traced")


def test_compiling_names_node_line_and_reason(
    document: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "stage_plan", never)
    with pytest.raises(CompileError, match=MESSAGE):
        composer_compile.compile_document(document, tmp_path / "out", weights="initial", registry=registry)
    assert list(tmp_path.iterdir()) == [document]


def test_planning_names_node_line_and_reason(
    document: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "trace", never)
    with pytest.raises(CompileError, match=MESSAGE):
        plan_document(document, registry=registry)


def test_a_task_that_calls_other_methods_compiles(document: Path, registry: Registry, tmp_path: Path) -> None:
    assert plan_document(document, tasks=["tame"], registry=registry).tasks[0].name == "tame"
    composer_compile.compile_document(
        document, tmp_path / "out", tasks=["tame"], weights="initial", registry=registry
    )
    with composer_compile.load(tmp_path / "out") as artifact:
        assert list(artifact.manifest.tasks) == ["tame"]


def test_the_live_model_runs_it_all_the_same(document: Path, registry: Registry) -> None:
    assert set(load(document, weights="initial", registry=registry, tasks=["rough"]).tasks) == {"rough"}


class Biased(NamedTuple):
    """Values with an offset that may be left out."""

    values: Tensor
    bias: Tensor | None


class Halves:
    """Gives no offset."""

    def __init__(self, config: NoConfig) -> None:
        pass

    def encode(self, values: Sequence[Any]) -> dict[str, Any]:
        return {"x": Biased(np.stack(values).astype("float32"), None)}  # type: ignore[arg-type]


class Shift(nn.Module):
    """Adds the offset where there is one."""

    def forward(self, x: Biased) -> Tensor:
        return x.values if x.bias is None else x.values + x.bias


def build_shift(config: NoConfig) -> Shift:
    return Shift()


class Optional:
    """A kind with a field that may be absent, as its mask or as something else."""

    def __init__(self, mask: str | None) -> None:
        self.mask = mask

    @hookimpl
    def composer_register(self, register: Any) -> None:
        field = Field("float" if self.mask is None else "int64", (0, 1), optional=True)
        fields = {"values": Field("float", (0, 1)), "bias": field}
        register(Kind("biased", "Biased.", ("batch", "width"), fields, record=Biased, mask=self.mask))
        register(
            Modality(
                "halves", NoConfig, lambda config: {"x": "biased[B, 4]"}, f"{__name__}:Halves", "Halves."
            )
        )
        signature = Signature({"x": "biased[B, 4]"}, {"y": "embedding[B, 4]"})
        methods = {"forward": Method(lambda config: signature)}
        register(ModuleType("test.shift", NoConfig, methods, f"{__name__}:build_shift", "Shifts."))


OPTIONAL = """\
composer: 1
name: optional
modules: {shift: {uses: test.shift}}
tasks:
  move:
    inputs: {given: {modality: halves}}
    nodes: {moved: {call: shift, inputs: {x: given.x}}}
    outputs: {moved: moved.y}
"""


def test_a_field_that_may_be_absent_and_is_no_mask_is_refused(tmp_path: Path) -> None:
    """A program takes every field: ones in the place of an absent mask change nothing, of anything else they do."""
    (tmp_path / "optional.yaml").write_text(OPTIONAL)
    raw = np.arange(4.0)
    for mask in (None, "bias"):
        registry = load_registry([("test", Optional(mask))])
        model = load(tmp_path / "optional.yaml", weights="initial", registry=registry)
        assert model.run("move", given=raw)["moved"].tolist() == raw.tolist()
    message = r"input `given` \(.*optional\.yaml:6:14\) may come without `bias` of its x"
    for refuse in (
        partial(composer_compile.compile_document, out=tmp_path / "out", weights="initial"),
        plan_document,
    ):
        with pytest.raises(CompileError, match=message):
            refuse(tmp_path / "optional.yaml", registry=load_registry([("test", Optional(None))]))
    assert not (tmp_path / "out").exists()
