"""For plugin authors: write `pytest_plugins = ["composer.conformance.fixtures"]` in the conftest.py, then

def test_the_plugin_keeps_its_promises(check_conformance):
    check_conformance("audio")
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from composer.conformance.kit import check_plugin
from composer.conformance.report import ConformanceReport

__all__ = ["check_conformance"]


@pytest.fixture(scope="session")
def check_conformance() -> Callable[[str | object], ConformanceReport]:
    """Check a plugin and fail the test with all broken promises; gives the report."""

    def check(entry: str | object) -> ConformanceReport:
        report = check_plugin(entry)
        report.raise_for_failures()
        return report

    return check
