"""That the walk goes everywhere: every option of every command, and every command line that help and pages show."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex

import pytest

from composer.cli.dispatch import COMMANDS
from composer.cli.plugins import ACTIONS

from .steps import ALL, ROOT


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every command, and every action of `plugins`, with its parser."""
    found = {}
    for name in COMMANDS:
        if name == "plugins":
            for action in ACTIONS:
                parser = argparse.ArgumentParser()
                importlib.import_module(f"composer.cli.plugins_{action}").configure(parser)
                found[f"plugins {action}"] = parser
        else:
            parser = argparse.ArgumentParser()
            importlib.import_module(f"composer.cli.{name}").configure(parser)
            found[name] = parser
    return found


@pytest.mark.parametrize("command", parsers())
def test_every_option_of_every_command_is_walked(command: str) -> None:
    """A new option belongs into a step above."""
    parser = parsers()[command]
    lines = [step.words for step in ALL if step.line.startswith(f"{command} ") or step.line == command]
    assert lines, command
    walked = {word.partition("=")[0] for words in lines for word in words if word.startswith("--")}
    offered = {
        option for action in parser._actions for option in action.option_strings if option.startswith("--")
    }
    assert offered - walked - {"--help"} == set()


def helped_examples() -> list[str]:
    """Every example of a command that stands in its `--help`."""
    found = []
    for name in COMMANDS:
        text = importlib.import_module(f"composer.cli.{name}").__doc__ or ""
        found += [line for line in text.splitlines() if line.startswith("composer ")]
    return found


@pytest.mark.parametrize("example", helped_examples())
def test_every_example_of_the_help_is_read_by_its_command(example: str) -> None:
    _, command, *rest = shlex.split(example)
    parsers()[command].parse_intermixed_args(rest)


def console_lines() -> list[str]:
    """Every `composer ...` line of the console blocks in README and docs."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    lines = []
    for page in pages:
        for block in re.findall(r"^```console\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S):
            joined = block.replace("\\\n", " ")
            lines += [
                line.removeprefix("$ ") for line in joined.splitlines() if re.match(r"(\$ )?composer ", line)
            ]
    return sorted(set(lines))


@pytest.mark.parametrize("line", console_lines())
def test_every_command_of_the_pages_is_read(line: str) -> None:
    """That each exists, with its options and their values; what needs no checkpoint of others is walked above."""
    _, command, *rest = shlex.split(line, comments=True)
    known = parsers()
    name = f"plugins {rest.pop(0)}" if command == "plugins" else command
    known[name].parse_intermixed_args(rest)
