"""The border: which command is meant, and how each kind of error ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import composer.graph
from composer.cli.dispatch import COMMANDS
from composer.problems import DocumentError, InputError, Place, Problem


def test_without_a_command_the_help_is_shown_as_wrong_usage(composer) -> None:
    done = composer()
    assert (done.code, done.out) == (2, "")
    assert "usage: composer COMMAND" in done.err


@pytest.mark.parametrize("argument", ["--help", "-h", "help"])
def test_help_lists_every_command(composer, argument: str) -> None:
    done = composer(argument)
    assert (done.code, done.err) == (0, "")
    assert all(f"  {name} " in done.out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(composer, command: str) -> None:
    done = composer(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"usage: composer {command}")


def test_the_version_is_that_of_the_package(composer) -> None:
    from importlib.metadata import version

    assert composer("--version").out == f"composer {version('multimodal-composer')}\n"


@pytest.mark.parametrize(
    ("typed", "meant"), [("chek", "check"), ("shwo", "show"), ("plugin", "plugins"), ("explian", "explain")]
)
def test_a_misspelt_command_is_recognised(composer, typed: str, meant: str) -> None:
    done = composer(typed)
    assert done.code == 2
    assert done.err == f"composer: error: unknown command {typed!r}; did you mean `composer {meant}`?\n"


def test_a_command_that_resembles_nothing_lists_all(composer) -> None:
    assert ", ".join(COMMANDS) in composer("xyz").err


@pytest.mark.parametrize(
    "arguments",
    [["check"], ["check", "x", "--format", "xml"], ["show"], ["plugins"], ["plugins", "remove"], ["--quiet"]],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(composer, arguments: list[str]) -> None:
    done = composer(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "error:" in done.err


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(composer.graph, "check", check)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            InputError("the file is not there; name another"),
            1,
            "composer: error: the file is not there; name another\n",
        ),
        (
            OSError(28, "No space left on device", "out.json"),
            1,
            "composer: error: out.json: No space left on device\n",
        ),
        (KeyboardInterrupt(), 130, "composer: interrupted\n"),
    ],
)
def test_an_error_is_one_line(composer, monkeypatch, error: BaseException, code: int, message: str) -> None:
    raising(error, monkeypatch)
    done = composer("check", "x.yaml")
    assert (done.code, done.out, done.err) == (code, "", message)


def test_the_problems_of_a_document_are_shown_with_their_lines(composer, document, monkeypatch) -> None:
    problem = Problem("C101", "error", "unknown", Place("vectors.yaml", 2, 1, 2, 5), "here")
    raising(DocumentError([problem]), monkeypatch)
    done = composer("show", document)
    assert (done.code, done.out) == (1, "")
    assert "2 │ name: vectors\n  │ ^^^^ here\n" in done.err


def test_a_fault_of_the_program_itself_is_not_hidden(composer, monkeypatch) -> None:
    raising(RuntimeError("a bug"), monkeypatch)
    with pytest.raises(RuntimeError, match="a bug"):
        composer("check", "x.yaml")


def test_a_reader_that_goes_away_ends_the_program_quietly() -> None:
    script = "import sys; from composer.cli import main; sys.exit(main(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", script, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_terminal_without_the_letters_gets_marks_in_their_place(document: Path) -> None:
    document.write_text("composer: 2\n")
    script = "import sys; from composer.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", script, "check", str(document)],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"error[C005]" in done.stdout


@pytest.mark.parametrize("command", [["check", "quickstart"], ["new"], ["run", "quickstart:image-qa"]])
def test_a_folder_that_was_removed_is_one_sentence(
    composer, tmp_path, monkeypatch, command: list[str]
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    done = composer(*command)
    assert (done.code, done.out) == (1, "")
    assert (
        done.err == "composer: error: the folder that this command runs in was removed: `cd` to another one\n"
    )


def test_a_library_that_cannot_be_loaded_is_one_sentence(composer, tmp_path, monkeypatch) -> None:
    (tmp_path / "networkx_of_ours.py").write_text("raise ImportError('libodd.so: failed to map segment')\n")
    monkeypatch.syspath_prepend(tmp_path)

    def run(_: object) -> int:
        import networkx_of_ours  # type: ignore[import-not-found]

        return int(networkx_of_ours.code)

    monkeypatch.setattr("composer.cli.explain.run", run)
    done = composer("explain")
    assert (done.code, done.err) == (
        1,
        "composer: error: a library cannot be loaded: libodd.so: failed to map segment\n",
    )
