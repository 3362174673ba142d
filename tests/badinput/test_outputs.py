"""Files that commands write: a place that does not do is one error, and nothing is left there half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = {
    "schema": lambda path, tiny: ["schema", "--out", path],
    "picture": lambda path, tiny: ["show", f"{tiny.document}:image-qa", "--picture", path],
    "new": lambda path, tiny: ["new", path],
    "train": lambda path, tiny: ["train", "quickstart", "--out", path],
}
SUFFIXES = {"schema": ".json", "picture": ".svg", "new": ".yaml", "train": ".safetensors"}


def _missing_folder(folder: Path, suffix: str) -> Path:
    return folder / "gone" / f"out{suffix}"


def _file_as_folder(folder: Path, suffix: str) -> Path:
    (folder / "file").write_text("kept")
    return folder / "file" / f"out{suffix}"


def _directory(folder: Path, suffix: str) -> Path:
    path = folder / f"out{suffix}"
    path.mkdir()
    return path


def _pipe(folder: Path, suffix: str) -> Path:
    """Nobody reads it: what opens it to write waits for ever."""
    path = folder / f"out{suffix}"
    os.mkfifo(path)
    return path


PLACES = {
    "missing folder": _missing_folder,
    "file as folder": _file_as_folder,
    "directory": _directory,
    "pipe": _pipe,
}


def everything(folder: Path) -> list[tuple[str, bytes | None]]:
    return sorted((str(p), p.read_bytes() if p.is_file() else None) for p in folder.rglob("*"))


@pytest.mark.parametrize(
    ("command", "place"),
    # training makes the folder of its weights where it is missing: that is tested with training
    [(c, p) for c in COMMANDS for p in PLACES if (c, p) != ("train", "missing folder")],
)
def test_a_place_that_does_not_do_is_one_error(
    composer, tiny, tmp_path: Path, command: str, place: str
) -> None:
    path = PLACES[place](tmp_path, SUFFIXES[command])
    before = everything(tmp_path)
    done = composer(*COMMANDS[command](path, tiny))
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("composer: error: ")
    assert str(tmp_path) in done.err
    assert done.err.count("\n") == 1
    assert everything(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_read_only_folder_is_one_error(composer, tiny, tmp_path: Path, command: str) -> None:
    folder = tmp_path / "fixed"
    folder.mkdir(mode=0o555)
    done = composer(*COMMANDS[command](folder / f"out{SUFFIXES[command]}", tiny))
    assert (done.code, done.out) == (1, "")
    assert "Permission denied" in done.err
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        ["schema"],
        ["explain"],
        ["check", "mplug2"],
        ["check", "mplug2", "--format", "json"],
        ["show", "quickstart"],
        ["plugins", "list"],
        ["--help"],
        ["--version"],
        ["check", "--help"],
        ["plugins", "list", "--help"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("held", [True, False], ids=["held", "at once"])
def test_a_full_disk_behind_the_output_is_one_line(arguments: list[str], held: bool) -> None:
    """Whether Python holds back what is printed, or writes each piece at once."""
    script = "import sys; from composer.cli import main; sys.exit(main(sys.argv[1:]))"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            stdout=full,
            env={**os.environ, "PYTHONUNBUFFERED": "" if held else "1"},
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "composer: error: standard output cannot be written: No space left on device\n"


def test_a_fix_that_cannot_be_written_leaves_the_document(composer, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "typo.yaml"
    path.write_text(
        "composer: 1\nname: typo\n"
        "modules:\n  text: {uses: mplug2.text_encodr, with: {hidden: 8, heads: 2, layers: 1}}\n"
    )
    before = everything(tmp_path)

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(os, "replace", fail)
    done = composer("check", "--fix", path)
    assert done.code == 1
    assert "No space left on device" in done.err
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", ["", "Audio", "a b", "../audio", "-"])
def test_a_plugin_needs_a_name(composer, tmp_path: Path, name: str) -> None:
    done = composer("plugins", "new", "--into", tmp_path, "--", name)
    assert (done.code, done.out) == (1, "")
    assert "is not a plugin name" in done.err
    assert everything(tmp_path) == []


@pytest.mark.parametrize("name", ["core", "compile"])
def test_a_plugin_does_not_take_the_name_of_another(composer, tmp_path: Path, name: str) -> None:
    done = composer("plugins", "new", name, "--into", tmp_path)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"composer: error: a plugin '{name}' is installed already; choose another name\n"
    assert everything(tmp_path) == []


@pytest.mark.parametrize("place", ["missing folder", "file as folder"])
def test_a_plugin_is_written_whole_or_not_at_all(composer, tmp_path: Path, place: str) -> None:
    into = tmp_path / "file"
    if place == "file as folder":
        into.write_text("kept")
    else:
        into = tmp_path / "made" / "for it"
    done = composer("plugins", "new", "audio", "--into", into)
    if place == "file as folder":
        assert (done.code, done.out) == (1, "")
        assert into.read_text() == "kept"
    else:
        assert done.code == 0
        assert (into / "composer-audio" / "pyproject.toml").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plugins", "list", "x", "y"], "unrecognized arguments: y"),
        (["schema", "x"], "unrecognized arguments: x"),
        (["train"], "the following arguments are required: DOC"),
        (["train", "quickstart", "--epochs", "0"], "epochs"),
        (["train", "quickstart", "--epochs", "-1"], "epochs"),
        (["train", "quickstart", "--threads", "0"], "threads"),
        (["train", "quickstart", "--out", "."], "'.' is not a name of a file"),
        (["train", "quickstart", "--out", ""], "'' is not a name of a file"),
        (["compare"], "the following arguments are required: CASE"),
        (["new", "a.yaml", "b.yaml"], "unrecognized arguments: b.yaml"),
    ],
    ids=str,
)
def test_what_no_command_means_is_wrong_usage(composer, arguments: list[str], message: str) -> None:
    done = composer(*arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "C999"], "there is no code 'C999'"),
        (["explain", ""], "there is no code ''"),
        (["plugins", "show", "mplug2.text_encodr"], "did you mean mplug2.text_encoder"),
        (["plugins", "show", ""], "no installed plugin offers ''"),
        (["plugins", "check", "cor"], "no installed plugin `cor`"),
        (["show", "quickstrat"], "no document `quickstrat`"),
        (["show", "quickstart:image-qs"], "no task `image-qs`"),
        (["run", "quickstart:image-qs", "image=a.png"], "no task `image-qs`"),
        (["compile", "quickstart:image-qs", "--out", "artifact"], "no task `image-qs`"),
        (["compile", "quickstart", "--backend", "exprot", "--out", "artifact"], "no backend `exprot`"),
        (["diff", "quickstart:image-qs", "mplug2"], "no task `image-qs`"),
        (["lock", "quickstrat"], "no document `quickstrat`"),
        (["suggest", "--from", "imag", "--to", "text"], "no modality `imag`"),
        (["run", "quickstart:image-qa", "--init", "visoin", "image=a.png"], "no module `visoin`"),
    ],
    ids=str,
)
def test_a_name_that_nothing_has_ends_every_command_alike(
    composer, arguments: list[str], message: str
) -> None:
    done = composer(*arguments)
    assert (done.code, done.out) == (1, "")
    assert message in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "image-qs"], "no task `image-qs`"),
        (["--root", "model"], "--root"),
    ],
    ids=["task", "root"],
)
def test_a_training_that_cannot_be_is_refused_before_it_starts(
    composer, tmp_path: Path, options: list[str], message: str
) -> None:
    done = composer("train", "quickstart", "--out", tmp_path / "out", *options)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("composer: error: ")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert everything(tmp_path) == []


def test_a_recipe_that_is_not_there_is_one_problem_at_its_name(composer, tmp_path: Path) -> None:
    done = composer("train", "quickstart", "--out", tmp_path / "out", "--recipe", "gone.yaml")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error[C001]: gone.yaml cannot be read as a recipe: there is no such file\n")
    assert everything(tmp_path) == []


def test_a_negative_seed_is_wrong_usage(composer, tmp_path: Path) -> None:
    done = composer("train", "quickstart", "--out", tmp_path / "out", "--seed", "-1")
    assert (done.code, done.out) == (2, "")
    assert "--seed" in done.err
    assert everything(tmp_path) == []


def test_a_document_without_a_recipe_says_where_one_belongs(composer, tiny, tmp_path: Path) -> None:
    done = composer("train", tiny.document, "--out", tmp_path / "out")
    assert (done.code, done.out) == (1, "")
    assert f"{tiny.document} has no training recipe: write " in done.err
    assert "--recipe" in done.err


@pytest.mark.parametrize("name", ["missing.yaml", "directory.yaml", "binary.yaml", "empty.yaml", "latin1.yaml",
                                  "utf16.yaml", "huge.yaml", "broken.yaml", "list.yaml"])  # fmt: skip
def test_a_file_that_is_no_recipe_is_one_error(composer, documents: Path, tmp_path: Path, name: str) -> None:
    done = composer("train", "quickstart", "--out", tmp_path / "out", "--recipe", documents / name)
    assert (done.code, done.out) == (1, "")
    assert name in done.err
    assert "Traceback" not in done.err
    assert everything(tmp_path) == []
