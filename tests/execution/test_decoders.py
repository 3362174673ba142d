"""A module type that generates and builds what is no decoder is refused when it is loaded or planned, in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from composer_compile.plan.planner import plan_document
from torch import nn

import composer
from composer.plugin import (
    Config,
    GenerateOptions,
    Generation,
    Method,
    ModuleType,
    NoConfig,
    Registry,
    Vocabulary,
    hookimpl,
    load_registry,
)
from composer.plugin.asking import PluginError
from composer.types import Signature

DOCUMENT = """\
composer: 1
modules:
  writer: {uses: odd.writer}
tasks:
  tell:
    inputs: {memory: {modality: array, with: {dims: [B, 4], kind: embedding}}}
    nodes: {told: {generate: writer, inputs: {memory: memory.embedding}, with: {max_tokens: 3}}}
    outputs: {ids: told.ids}
    compile: {ranges: {batch: "1..2"}}
"""


class Lacking(nn.Module):
    """A decoder without one of its methods."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.map = nn.Linear(4, 9)
        for name in names:
            setattr(self, name, lambda *_, **__: None)


def build_nothing(config: Config) -> nn.Module:
    return Lacking("step", "prefill")


def build_start(config: Config) -> nn.Module:
    return Lacking("start", "prefill")


def build_both(config: Config) -> nn.Module:
    return Lacking("start", "step")


def _ports(config: Any, options: GenerateOptions) -> Signature:
    return Signature({"memory": "embedding[B, 4]"}, {"ids": "labels[B, L]"})


def _vocabulary(config: Any) -> Vocabulary:
    return Vocabulary("text", {"tokenizer": "bert-uncased"}, start=101, end=102, pad=0)


class Plugin:
    def __init__(self, built: str, prompt: tuple[str, ...]) -> None:
        self.built, self.prompt = built, prompt

    @hookimpl
    def composer_register(self, register: Any) -> None:
        generation = Generation(_ports, _vocabulary, prompt=self.prompt)
        builder = f"{__name__}:build_{self.built}"
        methods: dict[str, Method] = {}
        register(ModuleType("odd.writer", NoConfig, methods, builder, "", generation=generation))


def registry_of(built: str, prompt: tuple[str, ...]) -> Registry:
    return load_registry([("odd", Plugin(built, prompt))])


CASES = pytest.mark.parametrize(
    ("built", "prompt", "missing"),
    [("nothing", (), "start"), ("start", (), "step"), ("both", ("memory",), "prefill")],
)


@CASES
def test_what_is_no_decoder_is_refused_when_it_is_loaded(
    built: str, prompt: tuple[str, ...], missing: str, tmp_path: Path
) -> None:
    (tmp_path / "tell.yaml").write_text(DOCUMENT)
    with pytest.raises(PluginError) as caught:
        composer.load(tmp_path / "tell.yaml", weights="initial", registry=registry_of(built, prompt))
    assert str(caught.value) == (
        f"module type `odd.writer` of the plugin odd is built as a Lacking, and it generates: an object with the "
        f"method `{missing}` is expected"
    )


@CASES
def test_planning_refuses_it_as_well(
    built: str, prompt: tuple[str, ...], missing: str, tmp_path: Path
) -> None:
    (tmp_path / "tell.yaml").write_text(DOCUMENT)
    with pytest.raises(PluginError, match=f"`{missing}` is expected"), torch.no_grad():
        plan_document(tmp_path / "tell.yaml", registry=registry_of(built, prompt))
