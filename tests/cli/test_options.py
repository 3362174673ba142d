"""How arguments are read."""

from __future__ import annotations

import argparse
import importlib
import re
from pathlib import Path

import pytest
import torch

from composer.cli.options import add_settings, settings_of, split_task
from composer.cli.readers import DEVICE_TYPES, assignment, size_range


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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("batch=few", "write `1..32`"),
        ("batch=0", "write `1..32`"),
        ("batch=3", "write `3..3`"),
        ("batch=4..2", "1 ≤ low ≤ best ≤ high"),
        ("batch", "name=value"),
    ],
)
def test_a_range_that_is_none_is_wrong_usage(text: str, told: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=re.escape(told)):
        size_range(text)


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


RUNNING = ["run", "evaluate", "train", "compile", "compare", "verify"]
"""Commands that run something on a device."""


def offered(command: str) -> set[str]:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"composer.cli.{command}").configure(parser)
    return {option for action in parser._actions for option in action.option_strings}


@pytest.mark.parametrize("command", RUNNING)
def test_what_runs_something_takes_the_same_options(command: str) -> None:
    """An artifact has its number format, and its recorded samples their seed."""
    assert {"--device", "--threads"} <= offered(command)
    assert command == "verify" or {"--seed", "--dtype"} <= offered(command)
    assert "--threads" in offered("plugins_check")


UNREADABLE = [
    ("--device", "nope"),
    ("--device", ""),
    ("--device", "cuda:x"),
    ("--device", "cuda:-1"),
    ("--dtype", "nope"),
    ("--dtype", "int8"),
    ("--seed", "-1"),
    ("--seed", "one"),
    ("--seed", "1.5"),
    ("--seed", str(2**63)),
    ("--threads", "0"),
    ("--threads", "many"),
    ("--threads", "1025"),
]


@pytest.mark.parametrize("command", [*RUNNING, "show", "import"])
def test_a_value_that_no_machine_could_take_is_wrong_usage(composer, command: str) -> None:
    """Exit code 2 says that the command line cannot be read, whatever the document, the files and the machine."""
    for option, value in UNREADABLE:
        if option not in offered(command):
            continue
        done = composer(command, "no-such-document", f"{option}={value}")
        assert (done.code, done.out) == (2, ""), (option, value)
        assert f"argument {option}: " in done.err
        assert done.err.count("\n") == 1


def test_the_kinds_of_devices_are_those_of_torch() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.device("nope")
    told = str(caught.value).partition("one of ")[2].partition(" device type")[0]
    assert set(told.split(", ")) == set(DEVICE_TYPES)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("command", ["run", "evaluate", "train", "compile"])
def test_a_device_that_is_not_here_is_a_problem_of_the_machine(
    composer, tmp_path: Path, command: str
) -> None:
    (tmp_path / "rows.jsonl").write_text('{"image": "a.png", "question": "b", "answer": "c"}\n')
    more = {
        "run": [f"image={tmp_path}/a.png", "question=b"],
        "evaluate": ["--data", f"{tmp_path}/rows.jsonl", "--reference", "answer"],
        "compile": ["--out", f"{tmp_path}/out"],
        "train": ["--out", f"{tmp_path}/out"],
    }
    done = composer(command, "quickstart:image-qa", *more[command], "--device", "cuda")
    assert (done.code, done.out) == (1, "")
    assert "torch finds no CUDA device" in done.err


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
