"""A plugin function that fails while something is compiled, planned or run is one sentence: function, plugin, fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
from composer_compile.artifact.manifest import HostCallEntry
from composer_compile.backends.export_builder import ExportBuilder
from composer_compile.backends.export_loader import ExportLoader
from composer_compile.plan.planner import plan_document
from composer_compile.runtime.host_parts import LoadedHostCall
from composer_compile.runtime.loaded_parts import LoadedGenerate

from composer.plugin import (
    Backend,
    Registry,
    hookimpl,
    load_registry,
)
from composer.plugin.asking import PluginError

DOCUMENT = """\
composer: 1
modules:
  classes: {uses: core.linear, with: {output_dim: 3}}
tasks:
  sort:
    inputs:
      values: {modality: array, with: {dims: [B, 4], kind: embedding}}
      text: {modality: odd.text, with: {tokenizer: words.txt, max_tokens: 4}}
    nodes:
      scores: {call: classes.scores, inputs: {embedding: values.embedding}}
    outputs: {scores: scores.scores, ids: text.tokens}
    compile: {ranges: {batch: "1..2", text.length: "2..4"}}
"""
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij"]
FAULTS: dict[str, Any] = {}
"""Method of a backend, or function of a declaration → what it does in the place of what it should."""


def wrong(*_: Any, **__: Any) -> Any:
    options: dict[str, Any] = {}
    return options["width"]


def odd(name: str, right: Any) -> Any:
    """A function that does as it should until a test says otherwise."""

    def function(*arguments: Any, **options: Any) -> Any:
        return FAULTS.get(name, right)(*arguments, **options)

    return function


class Builder(ExportBuilder):
    """Each method fails where a test says so."""


class Loader(ExportLoader):
    """Each method fails where a test says so."""


BUILDING = ("check_options", "made_with", "compile", "decompositions", "support")
LOADING = ("check_installed", "mismatch", "load")
for name in BUILDING:
    setattr(Builder, name, odd(name, getattr(ExportBuilder, name)))
for name in LOADING:
    setattr(Loader, name, odd(name, getattr(ExportLoader, name)))


class Half:
    """A loader that somebody has not finished."""

    def check_installed(self) -> None:
        """Nothing to install."""


class Plugin:
    @hookimpl
    def composer_register(self, register: Any) -> None:
        modality = next(each for each in load_registry().modalities.values() if each.id == "text")
        files = odd("files", modality.files)
        register(replace(modality, id="odd.text", files=files))
        register(Backend("odd", f"{__name__}:Builder", f"{__name__}:Loader", "Fails where it is told to."))
        register(Backend("half", f"{__name__}:Builder", f"{__name__}:Half", "Is not whole."))


@pytest.fixture
def registry() -> Registry:
    return load_registry([("odd", Plugin())])


@pytest.fixture
def document(tmp_path: Path) -> Path:
    (tmp_path / "words.txt").write_text("\n".join(WORDS) + "\n")
    path = tmp_path / "sort.yaml"
    path.write_text(DOCUMENT)
    return path


@pytest.fixture(autouse=True)
def nothing_odd() -> Iterator[None]:
    yield
    FAULTS.clear()


def compiled(document: Path, registry: Registry, backend: str = "odd") -> Path:
    out = document.parent / "out"
    options = composer_compile.Options(backend=backend)
    composer_compile.compile_document(document, out, weights="initial", registry=registry, options=options)
    return out


@pytest.mark.parametrize(
    "name", ["check_installed", "check_options", "made_with", "compile", "mismatch", "load"]
)
def test_a_backend_that_fails_while_compiling(name: str, document: Path, registry: Registry) -> None:
    FAULTS[name] = wrong
    with pytest.raises(
        PluginError, match=f"^`{name}` of backend `odd` of the plugin odd raises KeyError: 'width' "
    ):
        compiled(document, registry)
    assert not (document.parent / "out").exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("compile", "a Compiled is expected"), ("made_with", "expected"), ("load", "a function")],
)
def test_a_backend_that_answers_something_else(
    name: str, expected: str, document: Path, registry: Registry
) -> None:
    FAULTS[name] = lambda *_: 7
    with pytest.raises(
        PluginError, match=f"^`{name}` of backend `odd` of the plugin odd returns 7: .*{expected}"
    ):
        compiled(document, registry)


@pytest.mark.parametrize("name", ["check_installed", "check_options", "decompositions", "support"])
def test_a_backend_that_fails_while_planning(name: str, document: Path, registry: Registry) -> None:
    FAULTS[name] = wrong
    options = composer_compile.Options(backend="odd")
    with pytest.raises(
        PluginError, match=f"^`{name}` of backend `odd` of the plugin odd raises KeyError: 'width' "
    ):
        plan_document(document, options=options, registry=registry)


@pytest.mark.parametrize("name", ["check_installed", "mismatch", "load"])
def test_a_backend_that_fails_while_an_artifact_runs(name: str, document: Path, registry: Registry) -> None:
    out = compiled(document, registry)
    FAULTS[name] = wrong
    with (
        pytest.raises(
            PluginError, match=f"^`{name}` of backend `odd` of the plugin odd raises KeyError: 'width' "
        ),
        composer_compile.load(out, registry=registry) as artifact,
    ):
        artifact.run(values=np.zeros(4, "float32"), text="a b")


def test_a_backend_without_a_method(document: Path, registry: Registry) -> None:
    with pytest.raises(
        PluginError, match=r"^the loader of backend `half` of the plugin odd .*`mismatch` is expected"
    ):
        compiled(document, registry, "half")


def test_the_files_of_a_modality(document: Path, registry: Registry) -> None:
    FAULTS["files"] = wrong
    with pytest.raises(
        PluginError, match=r"^`files` of modality `odd.text` of the plugin odd raises KeyError: 'width' "
    ):
        compiled(document, registry)
    FAULTS["files"] = lambda config: {"tokenizer": 7}
    with pytest.raises(PluginError, match=r"^`files` of modality `odd.text` .* paths by the name of a field"):
        compiled(document, registry)


def test_a_processor_of_an_artifact(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with composer_compile.load(small.artifact) as artifact:
        processor = artifact.task("classify").requests.host.processors["question"]
        monkeypatch.setattr(processor, "encode", wrong)
        with pytest.raises(
            PluginError, match=r"^`encode` of modality `text` of the plugin text .* raises KeyError: 'width' "
        ):
            artifact.run("classify", question="red is it")
        monkeypatch.setattr(processor, "encode", lambda values: {"other": values})
        with pytest.raises(
            PluginError, match=r"^`encode` of modality `text` .*a value for the port tokens is expected"
        ):
            artifact.run("classify", question="red is it")


def generator_of(artifact: Any, task: str) -> LoadedGenerate:
    return next(part for part in artifact.task(task).order if isinstance(part, LoadedGenerate))


def test_a_search_of_an_artifact(small: Any, clip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with composer_compile.load(small.artifact) as artifact:
        policy = generator_of(artifact, "caption").search.implementation
        monkeypatch.setattr(policy, "search", wrong)
        with pytest.raises(
            PluginError, match=r"^`search` of search policy `.*` of the plugin .* raises KeyError: 'width' "
        ):
            artifact.run("caption", video=clip(1))
        monkeypatch.setattr(policy, "search", lambda step, cache, batch: [])
        with pytest.raises(PluginError, match=r"^search policy `.*` .* gives 0 lists"):
            artifact.run("caption", video=clip(1))


def test_a_search_of_an_artifact_that_fails_midway(
    small: Any, clip: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stream(step: Any, cache: Any) -> Iterator[int]:
        yield 20
        wrong()

    with composer_compile.load(small.artifact) as artifact:
        monkeypatch.setattr(generator_of(artifact, "caption").search.implementation, "stream", stream)
        with pytest.raises(
            PluginError, match=r"^`stream` of search policy `.*` of the plugin .* raises KeyError: 'width' "
        ):
            list(artifact.stream("caption", video=clip(1)))


def test_a_search_that_cannot_be_made(small: Any, clip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with composer_compile.load(small.artifact) as artifact:
        made = type(generator_of(artifact, "caption").search.implementation)
    monkeypatch.setattr(made, "__init__", wrong)
    with (
        composer_compile.load(small.artifact) as artifact,
        pytest.raises(PluginError, match=r"^search policy `.*` of the plugin .* raises KeyError: 'width' "),
    ):
        artifact.run("caption", video=clip(1))


def test_a_node_on_the_host() -> None:
    entry = HostCallEntry(node="loud", uses="odd.loud", config={}, sources={"text": "a"}, ports={"text": "b"})
    title = "module type `odd.loud` of the plugin odd"
    assert LoadedHostCall(entry, lambda *, text: text * 2, title).run({"a": ["x"]}) == {"b": ["x", "x"]}
    with pytest.raises(PluginError, match=f"^node `loud` .{title}. raises KeyError: 'width' "):
        LoadedHostCall(entry, wrong, title).run({"a": ["x"]})
