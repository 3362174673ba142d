"""An artifact answers as the live model does: alone, in batches, as a stream, from a zip, elsewhere, in threads."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from composer_compile.runtime.loaded_parts import LoadedGenerate
from composer_text.tokenizer import WordPieceTokenizer

from composer.problems import InputError

Clip = Callable[[int], np.ndarray]


@pytest.fixture(scope="module")
def artifact(small: Any) -> composer_compile.Artifact:
    return composer_compile.load(small.artifact)


def test_single_answers_agree(small: Any, artifact: composer_compile.Artifact, clip: Clip) -> None:
    for seed in range(4):
        raw = {"video": clip(seed), "question": "what is it red a b c"[: 3 * seed + 1]}
        assert artifact.run("video-qa", **raw) == small.model.run("video-qa", **raw)


def test_an_empty_question_agrees(small: Any, artifact: composer_compile.Artifact, clip: Clip) -> None:
    """The tokens of an empty text are [CLS] alone: a length of 1."""
    raw = {"video": clip(1), "question": ""}
    assert artifact.run("video-qa", **raw) == small.model.run("video-qa", **raw)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_batches_agree(small: Any, artifact: composer_compile.Artifact, clip: Clip, count: int) -> None:
    raw = {"video": [clip(i) for i in range(count)], "question": ["what", "is it red", "a", ""][:count]}
    answers = artifact.run("video-qa", **raw)
    assert answers == small.model.run("video-qa", **raw)
    assert len(answers["answer"]) == count


def test_a_single_value_is_repeated_for_a_list(
    small: Any, artifact: composer_compile.Artifact, clip: Clip
) -> None:
    raw = {"video": [clip(0), clip(1)], "question": "is it red"}
    assert artifact.run("video-qa", **raw) == small.model.run("video-qa", **raw)


def test_tensors_come_out_as_the_live_model_gives_them(
    small: Any, artifact: composer_compile.Artifact
) -> None:
    raw = {"question": ["what is it", "red"]}
    ours, theirs = artifact.run("classify", **raw), small.model.run("classify", **raw)
    torch.testing.assert_close(ours["scores"], theirs["scores"])
    assert type(ours["words"]) is type(theirs["words"])
    torch.testing.assert_close(ours["words"].values, theirs["words"].values)
    assert torch.equal(ours["words"].mask, theirs["words"].mask)


def test_scores_of_generated_texts_agree(small: Any, artifact: composer_compile.Artifact, clip: Clip) -> None:
    raw = {"video": [clip(3), clip(4)]}
    ours, theirs = artifact.run("caption", **raw), small.model.run("caption", **raw)
    assert ours["caption"] == theirs["caption"]
    torch.testing.assert_close(ours["score"], theirs["score"])


def test_a_stream_gives_the_same_text(artifact: composer_compile.Artifact, clip: Clip) -> None:
    whole = artifact.run("caption", video=clip(5))["caption"]
    assert "".join(artifact.stream("caption", video=clip(5))) == whole


def test_word_pieces_that_join_do_not_spoil_a_stream(
    artifact: composer_compile.Artifact, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "don't" comes as don, ' and t, and each joins what was given before."""
    words = ["the", "man", "don", "'", "t", "run", ",", "he", "'", "s", "here", "."]
    (generator,) = (part for part in artifact.task("caption").order if isinstance(part, LoadedGenerate))
    tokenizer = generator.tokenizer
    assert isinstance(tokenizer, WordPieceTokenizer)
    vocabulary = tokenizer._words | {200 + index: word for index, word in enumerate(words)}
    monkeypatch.setattr(tokenizer, "_words", vocabulary)
    ids = range(200, 200 + len(words))
    monkeypatch.setattr(generator.search.implementation, "stream", lambda step, cache: iter(ids))
    pieces = list(artifact.stream("caption", video=clip(5)))
    assert "".join(pieces) == "the man don't run, he's here."
    assert len(pieces) > 3
    assert all(pieces)


def test_what_cannot_stream_says_why(artifact: composer_compile.Artifact, clip: Clip) -> None:
    with pytest.raises(InputError, match="nothing to stream"):
        artifact.stream("classify", question="a")
    with pytest.raises(InputError, match="one sample at a time, not 2"):
        artifact.stream("caption", video=[clip(0), clip(1)])


def test_threads_do_not_disturb_each_other(artifact: composer_compile.Artifact, clip: Clip) -> None:
    requests = [{"video": clip(seed), "question": "what is it red"[: seed + 1]} for seed in range(8)]
    expected = [artifact.run("video-qa", **raw) for raw in requests]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda raw: artifact.run("video-qa", **raw), requests))
    assert found == expected


def test_several_tasks_run_side_by_side(small: Any, clip: Clip) -> None:
    """From the first request on, when the programs are loaded too."""
    requests: list[tuple[str, dict[str, Any]]] = []
    for seed in range(4):
        requests += [
            ("video-qa", {"video": clip(seed), "question": "what is it red"[: seed + 1]}),
            ("caption", {"video": clip(seed)}),
            ("classify", {"question": ["red", "a b c"][: 1 + seed % 2]}),
        ]
    expected = [small.model.run(task, **raw) for task, raw in requests]
    with composer_compile.load(small.artifact) as fresh, ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda each: fresh.run(each[0], **each[1]), requests))
    for (task, _), ours, theirs in zip(requests, found, expected, strict=True):
        if task == "video-qa":
            assert ours == theirs
        else:
            name = "score" if task == "caption" else "scores"
            torch.testing.assert_close(ours[name], theirs[name])


def test_a_closed_artifact_gives_nothing_more(small: Any) -> None:
    artifact = composer_compile.load(small.artifact)
    artifact.warm_up()
    assert artifact.run("classify", question="red")
    artifact.close()
    artifact.close()  # twice is no harm
    with pytest.raises(InputError, match="was closed: load it again"):
        artifact.run("classify", question="red")
    with pytest.raises(InputError, match="was closed: load it again"):
        artifact.samples()


@pytest.mark.parametrize("warm", [False, True])
def test_what_was_taken_from_an_artifact_before_it_was_closed_gives_nothing_more(
    small: Any, clip: Clip, warm: bool
) -> None:
    """A session, a stream and a bound task hold no weights of their own."""
    artifact = composer_compile.load(small.artifact)
    if warm:
        artifact.warm_up()
    task = artifact.task("classify")
    session = artifact.session("classify")
    begun = artifact.stream("caption", video=clip(5))
    if warm:
        next(begun)
    artifact.close()
    for use in (
        lambda: task.run({"question": "red"}),
        lambda: session.ask(question="red"),
        lambda: list(begun),
        task.warm_up,
    ):
        with pytest.raises(InputError, match=r"^the artifact .* was closed: load it again$"):
            use()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, r"needs the input `question`; it takes question"),
        ({"question": "a", "video": 1}, r"has no input `video`. There are: question"),
        ({"queston": "a"}, r"has no input `queston`; did you mean `question`\? There are: question"),
        ({"question": []}, r"`question` is an empty list"),
        (
            {"question": ["a"] * 5},
            r"`batch` is 5, and task `classify` was compiled for 1\.\.4.*--range batch=1\.\.5",
        ),
        ({"question": 3}, "give a string"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(
    artifact: composer_compile.Artifact, raw: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        artifact.run("classify", **raw)


def test_unequal_lists_are_refused(artifact: composer_compile.Artifact, clip: Clip) -> None:
    with pytest.raises(InputError, match="unequal numbers"):
        artifact.run("video-qa", video=[clip(0)] * 2, question=["a"] * 3)


def test_an_unknown_task_lists_those_there_are(artifact: composer_compile.Artifact) -> None:
    with pytest.raises(InputError, match="video-qa, caption, classify"):
        artifact.run("video_qa")
    with pytest.raises(InputError, match="name one: video-qa, caption, classify"):
        artifact.run()


def test_a_zip_answers_without_being_unpacked(small: Any, tmp_path: Path, clip: Clip) -> None:
    packed = tmp_path / "small.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(small.artifact.rglob("*")):
            archive.write(path, path.relative_to(small.artifact))
    raw = {"video": clip(1), "question": "what"}
    with composer_compile.load(packed) as artifact:
        assert artifact.run("video-qa", **raw) == small.model.run("video-qa", **raw)
    assert list(tmp_path.iterdir()) == [packed]


def test_a_moved_read_only_artifact_answers(small: Any, copied: Path, tmp_path: Path, clip: Clip) -> None:
    moved = tmp_path / "elsewhere" / "with a space"
    moved.parent.mkdir()
    copied.rename(moved)
    for path in moved.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    moved.chmod(0o555)
    try:
        with composer_compile.load(moved) as artifact:
            raw = {"video": clip(1), "question": "what"}
            assert artifact.run("video-qa", **raw) == small.model.run("video-qa", **raw)
    finally:
        for path in [moved, *moved.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        shutil.rmtree(moved)


BLOCKED = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        inner = name.partition(".")
        if inner[0] in ("composer_mplug2", "composer_core") and inner[2] in MODEL_CODE:
            raise ImportError(f"{name} is model code")
        return None

MODEL_CODE = {"attention", "bert", "fusion", "lm_head", "local_temporal", "losses", "masks", "norms", "ranking",
              "stems", "text_decoder", "text_encoder", "universal", "vision_block", "vision_encoder", "cache",
              "joining", "reducing", "widths"}
sys.meta_path.insert(0, Blocked())
try:
    import composer_mplug2.text_decoder
except ImportError:
    pass
else:
    sys.exit("the blocker does not work")
from composer.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_model_code_of_plugins_is_not_needed(small: Any) -> None:
    command = [
        sys.executable,
        "-c",
        BLOCKED,
        "run",
        f"{small.artifact}:classify",
        "question=what is it",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "scores" in done.stdout
    code = BLOCKED.replace(
        "from composer.cli import main",
        "import numpy, composer_compile\n"
        "clip = numpy.full((2, 8, 8, 3), 9, numpy.uint8)\n"
        f"artifact = composer_compile.load({str(small.artifact)!r})\n"
        "print(artifact.run('video-qa', video=clip, question='red'))\nsys.exit(0)",
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    clip = np.full((2, 8, 8, 3), 9, np.uint8)
    assert done.stdout.strip() == str(small.model.run("video-qa", video=clip, question="red"))
