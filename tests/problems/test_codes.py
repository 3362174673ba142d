"""Every explained code: its bad example has exactly that problem, its good example has no error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from composer.graph import Report, check
from composer.plugin import Register, Registry, hookimpl, load_registry
from composer.problems.codes import CODES, Code
from composer.problems.codes.table import read_code


class SourcePlugin:
    """A plugin from its source text; importing it is part of registering it, so that its failures are recorded."""

    def __init__(self, source: str) -> None:
        self._source = source

    @hookimpl
    def composer_register(self, register: Register) -> None:
        namespace: dict[str, Any] = {}
        exec(self._source, namespace)
        namespace["composer_register"](register)


def registry_of(code: Code) -> Registry:
    return load_registry([(name, SourcePlugin(source)) for name, source in code.plugins.items()])


def checked(text: str, code: Code, folder: Path) -> Report:
    for name, other in code.files.items():
        (folder / name).write_text(other)
    document = folder / "document.yaml"
    document.write_text(text)
    return check(document, registry=registry_of(code))


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_the_bad_example_has_exactly_this_problem(code: Code, tmp_path: Path) -> None:
    report = checked(code.bad, code, tmp_path)
    assert [(problem.code, problem.severity) for problem in report.problems] == [(code.code, code.severity)]


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_the_good_example_has_no_problem(code: Code, tmp_path: Path) -> None:
    assert checked(code.good, code, tmp_path).problems == ()


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
