"""A new plugin of each kind, installed: every command of its README and every step of its CI file does what it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from fresh_environments import fresh_environment

from composer.cli import main
from composer.cli.plugins_new import KINDS

ROOT = Path(__file__).parents[2]
TOOLS = {
    "composer": "-c 'import sys; from composer.cli import main; sys.exit(main())'",
    "mypy": "-m mypy",
    "pytest": "-m pytest -p no:cacheprovider",
    "ruff": "-m ruff",
}
"""What the commands call → how the Python of the environment runs it."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plugin for each kind, and an environment in which they are installed, by pip."""
    folder = tmp_path_factory.mktemp("plugins")
    for kind in KINDS:
        assert main(["plugins", "new", f"one-{kind}", "--kind", kind, "--into", str(folder)]) == 0
    python = Path(fresh_environment(folder / "venv"))
    for tool, how in TOOLS.items():
        path = python.with_name(tool)
        path.write_text(f'#!/bin/sh\nexec "{python}" {how} "$@"\n')
        path.chmod(0o755)
    plugins = [str(folder / f"composer-one-{kind}") for kind in KINDS]
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [python, *install, *(word for plugin in plugins for word in ("-e", plugin))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def commands_of(plugin: Path) -> list[str]:
    """Those of the README in their order, then those of the CI file that the README has not; pip has run already."""
    readme = (plugin / "README.md").read_text().splitlines()
    steps = (plugin / ".github" / "workflows" / "ci.yml").read_text()
    found = [line.strip().partition("  # ")[0].strip() for line in readme if line.startswith("    ")]
    found += re.findall(r"- run: (.+)", steps)
    return [command for command in dict.fromkeys(found) if not command.startswith("pip install")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_works(kind: str, home: Path) -> None:
    plugin = home / f"composer-one-{kind}"
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(home / "venv" / "bin"), os.environ["PATH"]]),
        # an editable install is seen by Python, and not by mypy
        "MYPYPATH": os.pathsep.join(str(ROOT / name) for name in ("", "plugins", "compile")),
        "MYPY_CACHE_DIR": str(home / "types"),
    }
    commands = commands_of(plugin)
    assert {command.split()[0] for command in commands} >= {"composer", "pytest", "ruff", "mypy"}
    for command in commands:
        done = subprocess.run(
            command, shell=True, cwd=plugin, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
