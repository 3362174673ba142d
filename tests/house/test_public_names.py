"""Every package of the core says what is public, and what it says exists."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

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


OFFERED = {
    "check": False,
    "Report": False,
    "Source": False,
    "ComposerError": False,
    "DocumentError": False,
    "InputError": False,
    "__version__": False,
    "load": True,
    "Model": True,
    "answer_rows": True,
    "run_rows": True,
}
"""What `import composer` offers → whether using it imports torch."""


def test_the_package_offers_what_a_caller_writes_with() -> None:
    assert sorted(composer.__all__) == sorted(OFFERED)
    assert set(OFFERED) <= set(dir(composer))
    with pytest.raises(AttributeError, match="'composer' has no attribute 'chekc'"):
        getattr(composer, "chekc")  # noqa: B009 - as a misspelt name is looked up


def test_a_name_is_imported_when_it_is_used() -> None:
    light = [name for name, torch in OFFERED.items() if not torch]
    script = (
        "import sys, composer; before = [name for name in sys.modules if name.startswith('composer.')]\n"
        f"for name in {light}: getattr(composer, name)\n"
        "print(before, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"
