"""Sessions with an artifact: programs that take the kept inputs alone run once, and answers are those of `run`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import composer_compile
import pytest
from composer_compile.errors import CompileError
from composer_compile.runtime.loaded_parts import LoadedStage

from composer.problems import InputError

QUESTIONS = ["what is it", "red", "is it"]


@pytest.fixture(scope="module")
def cut(small: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("cut") / "out"
    options = composer_compile.Options(session=("video",))
    composer_compile.compile_document(
        small.document, out, tasks=["video-qa"], weights=small.weights, options=options
    )
    with composer_compile.load(out) as artifact:
        yield artifact


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each program runs, by the name of its stage."""
    counted: Counter[str] = Counter()
    run = LoadedStage.run

    def counting(self: LoadedStage, *arguments: Any) -> Any:
        counted[self.entry.name] += 1
        return run(self, *arguments)

    monkeypatch.setattr(LoadedStage, "run", counting)
    return counted


def test_what_depends_on_the_kept_input_alone_is_a_program_that_runs_once(
    cut: Any, clip: Any, runs: Counter[str]
) -> None:
    (first, second, *_) = cut.manifest.tasks["video-qa"].order
    assert {tensor.name.partition(".")[0] for tensor in first.inputs} == {"video"}
    video = clip(3)
    expected = [cut.run("video-qa", video=video, question=question) for question in QUESTIONS]
    whole = Counter(runs)
    runs.clear()
    session = cut.session("video-qa", video=video)
    assert dict(runs) == {first.name: 1}
    found = [session.ask(question=question) for question in QUESTIONS]
    assert [each["answer"] for each in found] == [each["answer"] for each in expected]
    assert (whole[first.name], runs[first.name]) == (3, 1)
    assert all(runs[name] == whole[name] for name in whole if name != first.name)
    assert runs[second.name] == 3


def test_a_session_answers_as_the_live_model(cut: Any, small: Any, clip: Any) -> None:
    ours, theirs = (each.session("video-qa", video=clip(4)) for each in (cut, small.model))
    for question in QUESTIONS:
        assert ours.ask(question=question)["answer"] == theirs.ask(question=question)["answer"]
    batch = cut.session("video-qa", video=[clip(4), clip(5)])
    expected = small.model.run("video-qa", video=[clip(4), clip(5)], question=QUESTIONS[:2])
    assert batch.ask(question=QUESTIONS[:2])["answer"] == expected["answer"]


def test_an_artifact_that_is_not_cut_has_sessions_too(small: Any, clip: Any) -> None:
    artifact = composer_compile.load(small.artifact)
    session = artifact.session("video-qa", video=clip(3))
    expected = artifact.run("video-qa", video=clip(3), question="what is it")
    assert session.ask(question="what is it")["answer"] == expected["answer"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "needs the input `question`"),
        ({"question": "red", "video": 1}, "the session keeps the input `video`"),
        ({"question": ["red", "what"]}, "keeps 1 value of `video`, so it is asked for 1 at a time, not 2"),
        ({"question": "red", "other": 1}, "has no input `other`"),
    ],
)
def test_what_cannot_be_asked(cut: Any, clip: Any, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cut.session("video-qa", video=clip(3)).ask(**asked)


def test_an_unknown_input_is_refused_before_anything_is_written(small: Any, tmp_path: Path) -> None:
    options = composer_compile.Options(session=("vidoe",))
    with pytest.raises(CompileError, match="has no input `vidoe`; did you mean `video`"):
        composer_compile.compile_document(
            small.document, tmp_path / "out", tasks=["video-qa"], weights=small.weights, options=options
        )
    assert list(tmp_path.iterdir()) == []


def test_the_command_that_makes_it_again_says_so(cut: Any) -> None:
    assert "--session video" in cut.manifest.command
