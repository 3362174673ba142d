"""A live model and an artifact are used alike: both are what `Answering` says."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from composer_compile.runtime.artifact_session import ArtifactSession

from composer.evaluation import Evaluating, evaluate_rows
from composer.execution import Answering, Asking, Model, Session, load
from composer.graph.checked import CheckedEvaluation, CheckedMetric
from composer.problems import InputError

CLIPS = [np.full((3, 9, 9, 3), shade, dtype=np.uint8) for shade in (0, 200)]


@pytest.fixture(params=["live", "artifact"])
def answering(request: pytest.FixtureRequest, small: Any) -> Iterator[Answering]:
    """Each of the two, opened for one test."""
    if request.param == "live":
        with load(small.document, weights=small.weights) as model:
            yield model
    else:
        with composer_compile.load(small.artifact) as artifact:
            yield artifact


def members(protocol: type) -> list[str]:
    return [name for name, value in vars(protocol).items() if inspect.isfunction(value) and name[:1] != "_"]


@pytest.mark.parametrize(
    ("protocol", "implementation"),
    [
        (Answering, Model),
        (Answering, composer_compile.Artifact),
        (Asking, Session),
        (Asking, ArtifactSession),
    ],
)
def test_every_method_has_the_arguments_of_the_contract(protocol: type, implementation: type) -> None:
    assert members(protocol)
    for name in members(protocol):
        wanted = inspect.signature(getattr(protocol, name)).parameters.values()
        found = inspect.signature(getattr(implementation, name)).parameters.values()
        assert [(p.name, p.kind, p.default) for p in found] == [
            (p.name, p.kind, p.default) for p in wanted
        ], name


def test_both_are_what_the_contract_says(answering: Answering) -> None:
    assert isinstance(answering, Answering)
    session = answering.session("classify")
    assert isinstance(session, Asking)
    assert session.inputs == ("question",)
    assert set(session.ask(question="what")) == {"scores", "words"}


def test_ports_are_told_alike(answering: Answering) -> None:
    assert set(answering.tasks) == {"video-qa", "caption", "classify"}
    ports = answering.ports("video-qa")
    assert dict(ports.inputs) == {"video": "video", "question": "text"}
    assert dict(ports.outputs) == {"answer": "text"}
    assert dict(answering.ports("classify").outputs) == {"scores": "scores", "words": "states"}
    with pytest.raises(InputError, match="there is no task `clasify`; did you mean `classify`"):
        answering.ports("clasify")
    with pytest.raises(InputError, match="several tasks, so name one"):
        answering.ports()


def test_what_was_closed_says_so_and_may_be_closed_again(answering: Answering) -> None:
    with answering as same:
        assert same is answering
        answering.run("classify", question="what")
    answering.close()
    for use in (answering.run, answering.session):
        with pytest.raises(InputError, match=r"was closed: load it again"):
            use("classify", question="what")
    assert dict(answering.ports("classify").inputs) == {"question": "text"}


def test_what_was_taken_before_it_was_closed_gives_nothing_more(answering: Answering) -> None:
    session = answering.session("classify")
    begun, waiting = (answering.stream("caption", video=CLIPS[0]) for _ in range(2))
    next(begun)
    answering.close()
    for use in (lambda: session.ask(question="red"), lambda: list(begun), lambda: list(waiting)):
        with pytest.raises(InputError, match=r"was closed: load it again$"):
            use()


def test_the_input_that_is_empty_is_named(answering: Answering) -> None:
    """Not one that stands beside it, and is one value for all."""
    for raw in ({"video": CLIPS[0], "question": []}, {"video": CLIPS, "question": []}):
        with pytest.raises(InputError, match=r"^input `question` is an empty list"):
            answering.run("video-qa", **raw)
    with pytest.raises(InputError, match=r"^input `question` is an empty list"):
        answering.session("video-qa", video=CLIPS[0]).ask(question=[])


@pytest.mark.parametrize(
    ("task", "raw", "message"),
    [
        ("caption", {"clip": 1}, "has no input `clip`"),
        ("caption", {}, "needs the input `video`"),
        ("caption", {"video": []}, "`video` is an empty list"),
        ("caption", {"video": "nowhere.mp4"}, "nowhere.mp4"),
        ("caption", {"video": CLIPS[0], "seed": 3}, "takes no seed"),
        ("caption", {"video": CLIPS}, "streaming takes one sample at a time, not 2"),
        ("classify", {"question": "a"}, "task `classify` generates no text, so there is nothing to stream"),
        ("capton", {}, "did you mean `caption`"),
    ],
)
def test_a_stream_that_cannot_begin_is_refused_when_it_is_asked_for(
    answering: Answering, task: str, raw: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        answering.stream(task, **raw)


def test_no_piece_of_a_stream_is_taken_in_inference_mode(answering: Answering) -> None:
    """The caller's own code runs between the pieces."""
    modes = [torch.is_inference_mode_enabled() for _ in answering.stream("caption", video=CLIPS[0])]
    assert modes
    assert not any(modes)


def test_both_can_be_scored(answering: Answering, small: Any) -> None:
    registry = small.model.report.registry
    metric = registry.metrics["core.exact_match"]
    evaluation = CheckedEvaluation(
        ("caption",), "text", {"same": CheckedMetric("same", metric, metric.config())}
    )
    said = [small.model.run("caption", video=clip)["caption"] for clip in CLIPS]
    rows = [{"clip": CLIPS[0], "text": said[0]}, {"clip": CLIPS[1], "text": said[1] + " not"}]
    how = Evaluating(columns={"video": "clip"})
    report = evaluate_rows(answering, "caption", rows, evaluation, registry, how=how)
    (score,) = report.scores
    assert (score.value, len(report.samples)) == (0.5, 2)
