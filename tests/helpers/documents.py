"""Shared ways to check texts: a document without errors, the codes of one with errors, and `--fix` in memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import toy

from composer.graph import Report, check
from composer.language import Library, Resolved, Source, resolve
from composer.plugin import Registry
from composer.problems.fix import apply_fixes

__all__ = ["changed", "checked", "codes", "fixed", "resolved", "toy_registry"]


@lru_cache(maxsize=1)
def toy_registry() -> Registry:
    return toy.registry()


def changed(text: str, *changes: tuple[str, str]) -> str:
    """A document with parts of its text replaced, each once; what is replaced has to be there."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def checked(text: str, settings: Mapping[str, Any] | None = None) -> Report:
    """The report on a document given as text, with the toy plugin at hand."""
    return check(Source("document.yaml", text), registry=toy_registry(), settings=settings)


def codes(text: str, settings: Mapping[str, Any] | None = None) -> list[str]:
    """The codes of all problems, in the order of the report."""
    return [problem.code for problem in checked(text, settings).problems]


def resolved(text: str, settings: Mapping[str, Any] | None = None) -> Resolved:
    """The resolved document, before any plugin is asked."""
    return resolve(Source("document.yaml", text), Library(), settings)


def fixed(report: Report) -> str:
    """The text of a one-file document after its mechanical fixes."""
    texts = apply_fixes(report.problems, report.sources).texts
    assert list(texts) == ["document.yaml"]
    return texts["document.yaml"]
