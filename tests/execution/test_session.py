"""Sessions of a live model: answers as of `run`, and every module called as often as what it depends on is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

from composer.execution import Model
from composer.problems import InputError

QUESTIONS = ["who is it?", "what", "is it red"]


@pytest.fixture
def picture_of(tiny: Any) -> dict[str, Any]:
    return {"image": tiny.picture}


@contextmanager
def calls_of(model: Model) -> Iterator[Counter[str]]:
    """How often each module of the document computes, by the calls of a map inside it."""
    calls: Counter[str] = Counter()
    hooks = []
    for name, module in model.modules.items():
        part = next(
            each for each in module.modules() if isinstance(each, (nn.Linear, nn.Conv2d, nn.LayerNorm))
        )
        hooks.append(part.register_forward_hook(lambda *_, name=name: calls.update([name])))
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(found[name], value, rtol=0, atol=0)
        else:
            assert found[name] == value


def test_what_depends_on_the_kept_input_alone_runs_once(model: Model, picture_of) -> None:
    picture = picture_of["image"]
    with calls_of(model) as whole:
        expected = [model.run("image-qa", image=picture, question=question) for question in QUESTIONS]
    with calls_of(model) as calls:
        session = model.session("image-qa", image=picture)
        opened = Counter(calls)
        found = [session.ask(question=question) for question in QUESTIONS]
    for ours, theirs in zip(found, expected, strict=True):
        same(ours, theirs)
    assert opened["vision"] * 3 == whole["vision"]
    assert calls["vision"] == opened["vision"]
    assert (opened["text"], opened["decoder"]) == (0, 0)
    assert all(calls[name] == whole[name] for name in ("text", "fusion", "decoder"))


def test_either_input_may_be_kept(model: Model, picture_of) -> None:
    picture = picture_of["image"]
    session = model.session("image-qa", question=QUESTIONS[0])
    assert session.inputs == ("image",)
    same(session.ask(image=picture), model.run("image-qa", image=picture, question=QUESTIONS[0]))
    whole = model.session("image-qa", image=picture, question=QUESTIONS[0])
    with calls_of(model) as calls:
        same(whole.ask(), model.run("image-qa", image=picture, question=QUESTIONS[0]))
        assert calls["vision"] == 1
    empty = model.session("image-qa")
    same(
        empty.ask(image=picture, question=QUESTIONS[0]),
        model.run("image-qa", image=picture, question=QUESTIONS[0]),
    )


def test_a_session_keeps_a_batch(model: Model, picture_of) -> None:
    picture = picture_of["image"]
    session = model.session("image-qa", image=[picture, picture])
    same(
        session.ask(question=QUESTIONS[:2]),
        model.run("image-qa", image=[picture] * 2, question=QUESTIONS[:2]),
    )
    same(session.ask(question="what"), model.run("image-qa", image=[picture] * 2, question="what"))


def test_answers_do_not_depend_on_what_was_asked_before(model: Model, picture_of) -> None:
    session = model.session("image-qa", image=picture_of["image"])
    first = session.ask(question=QUESTIONS[0])
    session.ask(question=QUESTIONS[1])
    same(session.ask(question=QUESTIONS[0]), first)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "task `image-qa` needs the input `question`"),
        ({"question": "who", "image": "other.png"}, "the session keeps the input `image`: open another one"),
        ({"queston": "who"}, "has no input `queston`; did you mean `question`?"),
        ({"question": ["who", "what"]}, "keeps 1 value of `image`, so it is asked for 1 at a time, not 2"),
        ({"question": 3}, "the text is of the type int"),
        ({"question": "who", "seed": 3}, "takes no seed"),
    ],
)
def test_what_cannot_be_asked(model: Model, picture_of, asked: dict[str, Any], message: str) -> None:
    session = model.session("image-qa", image=picture_of["image"])
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        session.ask(**asked)


def test_what_cannot_be_kept(model: Model, picture_of) -> None:
    with pytest.raises(InputError, match="has no input `imge`"):
        model.session("image-qa", imge=picture_of["image"])
    with pytest.raises(InputError, match="there is no task `image-qb`"):
        model.session("image-qb", image=picture_of["image"])
