"""A live model and an artifact are used alike: both are what `Answering` says."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import composer_compile
import pytest
from composer_compile.runtime.session import ArtifactSession

from composer.execution import Answering, Asking, Model, Session, load
from composer.problems import InputError
from composer.recipes import TaskRecipe
from composer.training.evaluating import evaluate


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


def test_both_can_be_scored(answering: Answering, small: Any, tmp_path: Path) -> None:
    recipe = TaskRecipe.model_validate(
        {"dataset": "none", "batch": 1, "output": "caption", "reference": "text", "fields": {"video": "clip"},
         "metrics": {"same": "quickstart.exact_match"}}
    )  # fmt: skip
    import numpy as np

    clips = [np.full((3, 9, 9, 3), shade, dtype=np.uint8) for shade in (0, 200)]
    said = [small.model.run("caption", video=clip)["caption"] for clip in clips]
    samples = [{"clip": clips[0], "text": said[0]}, {"clip": clips[1], "text": said[1] + " not"}]
    found = evaluate(answering, "caption", samples, recipe, small.model.report.registry)
    assert found == {"same": 0.5, "samples": 2}
