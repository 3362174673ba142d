"""A new plugin of each kind, installed: every command of its README does what it says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from fresh_environments import fresh_environment

from composer.cli import main
from composer.cli.plugins_new import KINDS

ELSEWHERE = ("pip", "pytest", "ruff", "mypy")
"""What other tests run: that plugins are installed, and pass their own tests."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plugin for each kind, and an environment in which they are installed, by pip."""
    folder = tmp_path_factory.mktemp("plugins")
    for kind in KINDS:
        assert main(["plugins", "new", f"one-{kind}", "--kind", kind, "--into", str(folder)]) == 0
    python = Path(fresh_environment(folder / "venv"))
    command = python.with_name("composer")
    command.write_text(f'#!/bin/sh\nexec "{python}" -m composer "$@"\n')
    command.chmod(0o755)
    plugins = [str(folder / f"composer-one-{kind}") for kind in KINDS]
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [python, *install, *(word for plugin in plugins for word in ("-e", plugin))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def commands_of(plugin: Path) -> list[str]:
    """Those of the README in their order."""
    readme = (plugin / "README.md").read_text().splitlines()
    found = [line.strip().partition("  # ")[0].strip() for line in readme if line.startswith("    ")]
    return [command for command in found if command.split()[0] not in ELSEWHERE]


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_works(kind: str, home: Path) -> None:
    plugin = home / f"composer-one-{kind}"
    environment = {**os.environ, "PATH": os.pathsep.join([str(home / "venv" / "bin"), os.environ["PATH"]])}
    commands = commands_of(plugin)
    assert "composer" in {command.split()[0] for command in commands}
    for command in commands:
        done = subprocess.run(
            command, shell=True, cwd=plugin, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
