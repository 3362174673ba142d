"""Folders that are called in an unusual way: commands work in them as in any other."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

NOT_UTF8 = os.fsdecode(b"m\xfchle")
"""A name in Latin-1, as it stands on old disks."""
NAMES = {"not UTF-8": NOT_UTF8, "all else": "a b'c\"d\n-$e*[f]ü"}


@pytest.fixture(params=list(NAMES.values()), ids=list(NAMES))
def folder(request: pytest.FixtureRequest, tmp_path: Path, tiny) -> Path:
    """It holds the tiny model, which names its vocabulary by a relative path, and rows about a clip."""
    found = tmp_path / request.param
    try:
        shutil.copytree(tiny.document.parent, found)
    except OSError:
        pytest.skip("this file system takes no such name")
    shutil.copy(tiny.clip, found / "clip.mp4")
    rows = [{"video": "clip.mp4", "question": "what", "reference": word} for word in ("red", "it")]
    (found / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return found


@pytest.fixture
def answer(composer, tiny) -> str:
    """The one of the folder where the tiny model was made."""
    weights = ("--weights", tiny.weights)
    return composer("run", f"{tiny.document}:video-qa", *weights, f"video={tiny.clip}", "question=what").out


@pytest.mark.parametrize("absolute", [False, True])
def test_a_document_answers(
    composer, folder: Path, answer: str, absolute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder if absolute else Path()
    if not absolute:
        monkeypatch.chdir(folder)
    task, weights = f"{place / 'tiny.yaml'}:video-qa", ("--weights", place / "tiny.safetensors")
    assert composer("check", place / "tiny.yaml").code == 0
    done = composer("run", task, *weights, f"video={place / 'clip.mp4'}", "question=what")
    assert (done.code, done.out, done.err) == (0, answer, "")
    rows = ("--rows", place / "rows.jsonl", "--out", place / "answers.jsonl")
    assert composer("run", task, *weights, *rows).code == 0
    told = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert [f"answer: {row['outputs']['answer']}" for row in told] == [answer.splitlines()[0]] * 2
    data = ("--data", place / "rows.jsonl", "--out", place / "scores")
    assert composer("evaluate", task, *weights, *data).code == 0
    assert composer("lock", place / "tiny.yaml", *weights).code == 0
    assert composer("check", place / "tiny.yaml", "--locked").code == 0


def test_a_document_is_trained_and_compiled(composer, folder: Path) -> None:
    task, weights = f"{folder / 'tiny.yaml'}:video-qa", ("--weights", folder / "tiny.safetensors")
    trained = folder / "trained"
    data = ("--data", folder / "rows.jsonl", "--validation-share", "0")
    done = composer("train", task, *weights, *data, "--epochs", "1", "--out", trained)
    assert done.code == 0, done.err
    done = composer("train", task, *weights, *data, "--epochs", "2", "--out", trained, "--resume")
    assert done.code == 0, done.err
    weights = ("--weights", trained.with_suffix(".safetensors"))
    given = (f"video={folder / 'clip.mp4'}", "question=what")
    live = composer("run", task, *weights, *given)
    artifact = folder / "artifact"
    assert composer("compile", task, *weights, "--out", artifact).code == 0
    assert composer("verify", artifact).code == 0
    assert composer("run", f"{artifact}:video-qa", *given).out.splitlines()[0] == live.out.splitlines()[0]
    rows = ("--rows", folder / "rows.jsonl", "--out", folder / "answers.jsonl")
    done = composer("run", f"{artifact}:video-qa", *rows)
    assert done.code == 0, done.err


def test_weights_that_torch_saved(composer, folder: Path, tiny, answer: str) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(tiny.weights), saved := folder / "tiny.pt")
    given = (f"video={folder / 'clip.mp4'}", "question=what")
    done = composer("run", f"{folder / 'tiny.yaml'}:video-qa", "--weights", saved, *given)
    assert (done.code, done.out) == (0, answer)


def test_an_evaluation_that_asks_nothing_leaves_no_folder(composer, tiny, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"question": "what", "reference": "red"}) + "\n")
    out = tmp_path / "deep" / "scores"
    done = composer(
        *("evaluate", f"{tiny.document}:video-qa", "--weights", tiny.weights),
        *("--data", tmp_path / "rows.jsonl", "--out", out),
    )
    assert done.code == 1
    assert "has no column `video`" in done.err
    assert not out.parent.exists()
