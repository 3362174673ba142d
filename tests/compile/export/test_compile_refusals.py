"""What a plugin declares that torch cannot export is refused by node, line and reason, before anything is traced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import composer_compile
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
    ModuleType,
    NoConfig,
    Registry,
    Vocabulary,
    hookimpl,
    load_registry,
)
from composer.types import Signature, States

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
