"""The README keeps its word: its document is right, its error is what the checker prints, its commands exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from composer.cli import main
from composer.cli.dispatch import COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("picture-qa.yaml")
    path.write_text(blocks("yaml")[0])
    return path


def test_the_document_has_no_problem(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(document)]) == 0
    assert capsys.readouterr().out == "picture-qa.yaml: no problems\n"


def test_the_error_is_what_the_checker_prints(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = document.read_text()
    line = next(line for line in text.splitlines() if "text_decoder" in line)
    document.write_text(text.replace(line, line.replace("hidden: $hidden", "hidden: 32")))
    assert main(["check", str(document)]) == 1
    assert capsys.readouterr().out == blocks("text")[0]


def named_commands() -> list[str]:
    """Every `composer ...` of the README, in prose, tables and console blocks."""
    inline = re.findall(r"`(composer [^`]+)`", README)
    console = [
        line for block in blocks("console") for line in block.splitlines() if line.startswith("composer ")
    ]
    return sorted({*inline, *console} - {"composer COMMAND --help"})


@pytest.mark.parametrize("written", named_commands())
def test_every_command_exists_with_its_options(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(written.replace("[", "").replace("]", "").replace("...", ""))
    command = words[1]
    assert command in COMMANDS
    action = [words[2]] if command == "plugins" and words[2] != "ACTION" else []
    assert main([command, *action, "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in words if option.startswith("--"))


def test_options_named_in_the_table_exist(capsys: pytest.CaptureFixture[str]) -> None:
    for command, about in re.findall(r"^\| `composer (\w+)[^|]*\| (.*) \|$", README, re.MULTILINE):
        main([command, "--help"])
        shown = capsys.readouterr().out
        for option in re.findall(r"`(--[a-z-]+)", about):
            assert option in shown, (command, option)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(
            r"\bmake ([a-z]+)$|`make ([a-z]+)`", page.read_text(encoding="utf-8"), re.MULTILINE
        ):
            name = next(filter(None, target))
            assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


def test_the_python_example_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", blocks("python")[0]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "{'answer': 'rectangle'}\n"
