"""How arguments are read."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

import pytest

from composer.cli.options import add_settings, assignment, settings_of, split_task


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mplug2:video-qa", ("mplug2", "video-qa")),
        ("mplug2", ("mplug2", None)),
        ("folder/my.yaml:video-qa", ("folder/my.yaml", "video-qa")),
        ("folder/my.yaml", ("folder/my.yaml", None)),
        ("folder:odd/my.yaml", ("folder:odd/my.yaml", None)),
        ("C:\\models\\my.yaml", ("C:\\models\\my.yaml", None)),
        ("mplug2:", ("mplug2", None)),
    ],
)
def test_a_task_stands_behind_the_last_colon(text: str, expected: tuple[str, str | None]) -> None:
    assert split_task(text) == expected


def test_a_file_with_a_colon_in_its_name_is_a_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("odd:name").write_text("")
    assert split_task("odd:name") == ("odd:name", None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a=1", ("a", "1")), ("a=", ("a", "")), ("q=is 1 = 1?", ("q", "is 1 = 1?")), ("x=a=b", ("x", "a=b"))],
)
def test_an_assignment_is_split_at_its_first_sign(text: str, expected: tuple[str, str]) -> None:
    assert assignment(text) == expected


@pytest.mark.parametrize("text", ["", "a", "=1"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="name=value"):
        assignment(text)


def test_settings_stay_as_they_were_typed_and_the_last_counts() -> None:
    parser = argparse.ArgumentParser()
    add_settings(parser)
    given = [
        "--set",
        "a=1",
        "--set",
        "b=no",
        "--set",
        "c=0.5",
        "--set",
        "a=2",
        "--set",
        "d=true",
        "--set",
        "e=",
    ]
    expected = {"a": "2", "b": "no", "c": "0.5", "d": "true", "e": ""}
    assert settings_of(parser.parse_args(given)) == expected


@pytest.mark.parametrize("command", ["run", "train", "compile", "compare", "verify"])
def test_what_runs_something_takes_the_same_options(command: str) -> None:
    """An artifact has its number format, and its recorded samples their seed."""
    parser = argparse.ArgumentParser()
    importlib.import_module(f"composer.cli.{command}").configure(parser)
    offered = {option for action in parser._actions for option in action.option_strings}
    assert {"--device", "--threads"} <= offered
    assert command == "verify" or {"--seed", "--dtype"} <= offered


@pytest.mark.parametrize(
    "line",
    [
        "train quickstart --dtype bfloat16 --precision bf16",
        "compile quickstart --dtype float16 --precision fp16 --out made",
    ],
)
def test_a_number_format_is_given_once(composer, line: str) -> None:
    done = composer(*line.split())
    assert (done.code, done.out) == (2, "")
    assert "say the same: give one of them" in done.err


@pytest.mark.parametrize("command", ["run", "train", "compile", "compare", "verify"])
@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", "²"])
def test_threads_are_a_whole_number_above_zero(composer, command: str, given: str) -> None:
    done = composer(command, "x", f"--threads={given}")
    assert done.code == 2
    assert "is not a whole number above zero" in done.err


@pytest.mark.parametrize("given", ["1025", "99999999999", "9" * 30])
def test_threads_have_a_bound(composer, given: str) -> None:
    done = composer("run", "x", "y=z", f"--threads={given}")
    assert done.code == 2
    assert "is more than 1024" in done.err
