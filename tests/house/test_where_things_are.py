"""CONTRIBUTING.md says where things are; its lines are held against what the plugins do and what the code says."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from composer.cli.dispatch import COMMANDS
from composer.compare.case import Tolerance
from composer.execution.host_inputs import HostInputs
from composer.graph.ranges import free_dims
from composer.plugin import load_registry
from composer.problems.codes import CODES

ROOT = Path(__file__).parents[2]
REQUESTS = "what becomes of the raw values of a request, live, compiled and in training"
SHIPPED = ("core", "text", "vision", "mplug2", "quickstart", "graphs", "compile")
MADE = """
import json, sys
import composer.plugin as plugin

made = {}
for name in ("ModuleType", "Modality", "Layout", "SearchPolicy", "Backend"):
    def init(self, *given, of=name, real=getattr(plugin, name).__init__, **named):
        made.setdefault(of, set()).add(sys._getframe(1).f_code.co_filename)
        real(self, *given, **named)
    getattr(plugin, name).__init__ = init
plugin.load_registry()
print(json.dumps({name: sorted(files) for name, files in made.items()}))
"""
"""Loads the plugins, and prints in which files they make declarations of each class."""


@pytest.fixture(scope="module")
def places() -> dict[str, list[str]]:
    """What is asked for → the files and folders of its line."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.partition("## Where things are")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    return {row[0].removeprefix("| "): re.findall(r"`([\w./]+)`", row[1]) for row in rows}


@pytest.fixture(scope="module")
def made() -> dict[str, list[str]]:
    """Class of a declaration → the files of this project that make one."""
    done = subprocess.run([sys.executable, "-c", MADE], capture_output=True, text=True, check=True)
    return {name: relative(map(Path, files)) for name, files in json.loads(done.stdout).items()}


def relative(files: Iterable[Path]) -> list[str]:
    return sorted({file.relative_to(ROOT).as_posix() for file in files if file.is_relative_to(ROOT)})


def test_every_line_names_what_is_there(places: dict[str, list[str]]) -> None:
    assert len(places) >= 12
    for asked, files in places.items():
        assert files, asked
        assert all((ROOT / file).exists() for file in files), asked


@pytest.mark.parametrize(
    ("asked", "declaration"),
    [
        ("a module type", "ModuleType"),
        ("a modality", "Modality"),
        ("a layout of checkpoints", "Layout"),
        ("a search policy", "SearchPolicy"),
        ("a backend", "Backend"),
    ],
)
def test_declarations_are_made_where_the_page_says(
    places: dict[str, list[str]], made: dict[str, list[str]], asked: str, declaration: str
) -> None:
    assert places[asked] == made[declaration]


def test_options_of_searches_are_where_the_page_says(places: dict[str, list[str]]) -> None:
    policies = load_registry().policies
    shipped = [policies[name] for name in policies if policies.origin(name).plugin in SHIPPED]
    configs = [policy.config for policy in shipped if policy.config.model_fields]
    assert places["an option of a search"] == relative(Path(inspect.getfile(config)) for config in configs)


def test_a_code_has_a_page_and_a_command_a_file(places: dict[str, list[str]]) -> None:
    (codes,) = places["a problem code"]
    assert {file.stem for file in (ROOT / codes).glob("C*.md")} == set(CODES)
    (commands,) = places["a command"]
    assert all((ROOT / commands / f"{name}.py").is_file() for name in COMMANDS)


def test_raw_values_are_read_in_one_place(places: dict[str, list[str]]) -> None:
    """The kit asks processors by itself, for it judges them."""
    code = [*(ROOT / "composer").rglob("*.py"), *(ROOT / "compile").rglob("*.py")]
    calls = [path for path in code if re.search(r"(?<!def )\bencoded\(", path.read_text(encoding="utf-8"))]
    kit = ROOT / "composer" / "conformance"
    assert places[REQUESTS] == relative(path for path in calls if kit not in path.parents)


def test_names_are_defined_where_the_page_says(places: dict[str, list[str]]) -> None:
    defined: dict[str, Any] = {
        "the tolerance of a recorded case": Tolerance,
        "what a free dimension is, and how large it may be": free_dims,
        REQUESTS: HostInputs,
    }
    for asked, thing in defined.items():
        assert places[asked] == relative([Path(inspect.getfile(thing))])
    for asked, name in (
        ("the tolerance of an artifact", "TOLERANCES"),
        ("a kind of registry entry", "SECTIONS"),
        ("what a problem does to its surroundings", "EFFECTS"),
    ):
        (file,) = places[asked]
        assert re.search(rf"^{name}\b.* = ", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
