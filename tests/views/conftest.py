"""Documents to look at, checked with the installed plugins and with the modules of `views_demo`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import views_demo
from views_demo import DOCUMENT

from composer.graph import Checked, check
from composer.language import Source
from composer.plugin import Registry, load_registry

Check = Callable[..., Checked]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry([("demo", views_demo)])


@pytest.fixture
def checked(registry: Registry) -> Check:
    """Check the text of a document; the report has no errors."""

    def check_text(text: str, **settings: Any) -> Checked:
        return check(Source("doc.yaml", text), registry=registry, settings=settings).raise_for_errors()

    return check_text


@pytest.fixture
def small(checked: Check) -> Checked:
    return checked(DOCUMENT)
