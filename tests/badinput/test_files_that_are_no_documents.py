"""Every command that reads a document, on files that are none: one problem with the file's name, cause and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

import composer as public
from composer.problems import DocumentError

CAUSES = {
    "missing.yaml": "there is no such file",
    "directory.yaml": "it is a directory",
    "binary.yaml": "it is a binary file",
    "empty.yaml": "it is empty",
    "huge.yaml": "more than the limit",
    "latin1.yaml": "line 2 is not UTF-8",
    "utf16.yaml": "it is encoded in UTF-16",
}
SYNTAX = ("broken.yaml", "list.yaml")
COMMANDS = {
    "check": ["check"],
    "fix": ["check", "--fix"],
    "show": ["show"],
    "resolved": ["show", "--resolved"],
    "cost": ["show", "--cost"],
    "run": ["run", "--weights", "initial"],
    "train": ["train"],
    "compare": ["compare"],
    "plan": ["compile", "--plan"],
}


def assert_one_problem(done, command: str, name: str, cause: str) -> None:
    """`check` reports on standard output, as its findings are its result; for all else they are an error."""
    assert done.code == 1
    told, silent = (done.out, done.err) if command in ("check", "fix") else (done.err, done.out)
    assert silent == ""
    assert name in told
    assert cause in told
    assert "= help: " in told
    assert told.endswith("1 error in 1 file\n")


@pytest.mark.parametrize("name", CAUSES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_no_document_is_one_problem(
    composer, documents: Path, command: str, name: str
) -> None:
    before = sorted(documents.iterdir())
    done = composer(*COMMANDS[command], documents / name)
    assert_one_problem(done, command, name, CAUSES[name])
    assert sorted(documents.iterdir()) == before


@pytest.mark.parametrize("name", SYNTAX)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_text_that_is_no_document_is_one_problem(
    composer, documents: Path, command: str, name: str
) -> None:
    done = composer(*COMMANDS[command], documents / name)
    assert done.code == 1
    told = done.out if command in ("check", "fix") else done.err
    assert f"{name}:" in told
    assert "error[C" in told
    assert told.endswith("1 error in 1 file\n")


@pytest.mark.parametrize("name", CAUSES)
def test_a_document_that_extends_no_document_is_one_problem(composer, documents: Path, name: str) -> None:
    child = documents / "child.yaml"
    child.write_text(f"composer: 1\nname: child\nextends: {name}\n")
    try:
        done = composer("check", child)
    finally:
        child.unlink()
    assert done.code == 1
    assert name in done.out
    assert "error[C106]" in done.out
    assert done.out.endswith("1 error in 1 file\n")


@pytest.mark.parametrize("name", [*CAUSES, *SYNTAX])
def test_the_functions_say_the_same(documents: Path, name: str) -> None:
    report = public.check(documents / name)
    assert not report.ok
    assert len(report.problems) == 1
    with pytest.raises(DocumentError) as caught:
        public.load(documents / name, weights="initial")
    assert caught.value.problems == report.problems


@pytest.mark.parametrize("name", ["", " "])
@pytest.mark.parametrize("command", ["check", "show", "run", "train", "plan"])
def test_an_empty_name_is_one_problem(composer, command: str, name: str) -> None:
    done = composer(*COMMANDS[command], name)
    assert done.code == 1
    told = done.out if command == "check" else done.err
    assert "the name of the document is empty" in told
    assert "shipped documents: " in told
    assert told.endswith("1 error\n")


@pytest.mark.parametrize("command", ["check", "show", "run", "train"])
def test_a_name_that_nobody_ships_is_one_problem(composer, command: str) -> None:
    done = composer(command, "mplug3")
    assert done.code == 1
    told = done.out if command == "check" else done.err
    assert "there is no document `mplug3`" in told
    assert "did you mean `mplug2`" in told


@pytest.mark.parametrize("command", ["show", "run"])
def test_an_unknown_task_is_one_line(composer, tiny, command: str) -> None:
    weights = ["--weights", tiny.weights] if command == "run" else []
    done = composer(command, f"{tiny.document}:image-qs", *weights)
    assert (done.code, done.out) == (1, "")
    assert "tiny has no task `image-qs`" in done.err
    assert "did you mean `image-qa`" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("command", ["check", "show", "run", "train"])
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("beams=two", "--set beams must be a whole number like its default 2, not text"),
        ("beams=1.5", "--set beams must be a "),
        ("beams=", "--set beams must be a whole number"),
        ("beems=2", "did you mean `beams`?"),
        ("beams=0", "parameter `beams` is refused by"),
        ("local_temporal=1", "--set local_temporal must be "),
        ("tokenizer=bert-cased", "no tokenizer is called 'bert-cased'"),
    ],
)
def test_a_setting_that_does_not_do_is_a_problem(composer, tiny, command, setting: str, message: str) -> None:
    weights = ["--weights", tiny.weights] if command == "run" else []
    done = composer(command, tiny.document, "--set", setting, *weights)
    assert done.code == 1
    told, silent = (done.out, done.err) if command == "check" else (done.err, done.out)
    assert silent == ""
    assert message in told
    assert "<command line>" in told


@pytest.mark.parametrize("command", ["check", "show", "run", "train"])
@pytest.mark.parametrize("setting", ["beams", "=3", ""])
def test_a_setting_without_a_name_or_value_is_wrong_usage(composer, tiny, command: str, setting: str) -> None:
    done = composer(command, tiny.document, "--set", setting)
    assert (done.code, done.out) == (2, "")
    assert "is not of the form name=value" in done.err


def test_an_artifact_is_told_as_one(composer, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "manifest.json").write_text("{}")
    done = composer("check", tmp_path / "made")
    assert_one_problem(done, "check", "made", "it is a compiled artifact")
