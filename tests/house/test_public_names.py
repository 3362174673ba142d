"""Every package of the core says what is public, and what it says exists."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import composer

PACKAGES = ["composer", *(m.name for m in pkgutil.walk_packages(composer.__path__, "composer.") if m.ispkg)]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_lists_its_public_names(name: str) -> None:
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    assert module.__doc__
    for public in module.__all__:
        assert hasattr(module, public)
