"""Every explained code: its bad example has exactly that problem, its good example has no error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from composer.graph import check
from composer.plugin import Register, Registry, hookimpl, load_registry
from composer.problems import DocumentError, Problem
from composer.problems.codes import CODES, Code
from composer.problems.codes.table import read_code
from composer.recipes import check_recipe


class SourcePlugin:
    """A plugin from its source text; importing it is part of registering it, so that its failures are recorded."""

    def __init__(self, name: str, source: str) -> None:
        self._name, self._source = name, source

    @hookimpl
    def composer_register(self, register: Register) -> None:
        module = ModuleType(self._name)
        exec(self._source, module.__dict__)
        sys.modules[self._name] = module  # what it declares is imported by name where samples are asked for
        module.composer_register(register)


@pytest.fixture(autouse=True)
def no_plugin_stays() -> Iterator[None]:
    yield
    for name in {name for code in CODES.values() for name in code.plugins}:
        sys.modules.pop(name, None)


def registry_of(code: Code) -> Registry:
    return load_registry([(name, SourcePlugin(name, source)) for name, source in code.plugins.items()])


def checked(text: str, code: Code, folder: Path) -> tuple[Problem, ...]:
    """The problems of an example, found as people find them: samples are at fault before the first step of training."""
    for name, other in code.files.items():
        (folder / name).write_text(other)
    document = folder / "document.yaml"
    document.write_text(text)
    registry = registry_of(code)
    if code.of == "document":
        return check(document, registry=registry).problems
    if code.of == "weights":
        return built(document, registry)
    found = check_recipe(document, registry=registry)
    if code.of == "recipe":
        return found.problems
    from composer.training import check_training

    assert found.problems == ()
    try:
        check_training(folder / str(found.recipe.document), recipe=document, registry=registry)  # type: ignore[union-attr]
    except DocumentError as error:
        return error.problems
    return ()


def built(document: Path, registry: Registry) -> tuple[Problem, ...]:
    """The problems that a document has when its modules are built; none are found before."""
    from composer.execution import load

    assert check(document, registry=registry).problems == ()
    try:
        load(document, weights="initial", registry=registry)
    except DocumentError as error:
        return error.problems
    return ()


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_the_bad_example_has_exactly_this_problem(code: Code, tmp_path: Path) -> None:
    problems = checked(code.bad, code, tmp_path)
    assert [(problem.code, problem.severity) for problem in problems] == [(code.code, code.severity)]


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_the_good_example_has_no_problem(code: Code, tmp_path: Path) -> None:
    assert checked(code.good, code, tmp_path) == ()


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_the_explanation_says_something(code: Code) -> None:
    assert len(code.explanation.split()) >= 20
    assert code.title == code.title.strip()
    assert not code.title.endswith(".")
    assert code.bad != code.good


def test_every_code_that_the_package_gives_is_explained() -> None:
    import re

    import composer

    sources = Path(composer.__file__).parent.rglob("*.py")
    given = {
        code
        for path in sources
        for code in re.findall(r"[\"'](C\d{3})[\"']", path.read_text(encoding="utf-8"))
    }
    assert given == set(CODES)


@pytest.mark.parametrize(
    "text", ["title: x\n", "---\ntitle: x\nseverity: error\n---\nprose\n\n```yaml good\n```\n"]
)
def test_an_incomplete_explanation_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "C999.md"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"C999\.md"):
        read_code(path)
