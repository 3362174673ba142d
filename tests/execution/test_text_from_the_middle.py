"""Tasks in which a node reads a text that another node wrote: alone, in batches, in sessions, as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from composer.cli import main
from composer.execution import Model, Timing, load
from composer.problems import InputError

SHAPES = {"red": (255, 0, 0), "blue": (0, 0, 255)}

TEXTS = """\
composer: 1
name: texts
modules: {text: {uses: mplug2.text_encoder, with: {hidden: 8, heads: 2, layers: 1, positions: 12}}}
tasks:
  read:
    inputs: {question: {modality: string, with: {max_characters: 60}}, name: {modality: string}}
    nodes:
      put: {uses: core.text_template, inputs: {question: question, name: name}, with: {template: "{question} {name}?"}}
      asked: {modality: text, inputs: put, with: {tokenizer: bert-uncased, LIMIT}}
      states: {call: text, inputs: asked}
      found: {uses: core.parse_json, inputs: question, with: {fields: {score: number, count: integer}}}
    outputs: {text: put, tokens: asked.tokens, states: states, score: found.score, count: found.count}
"""


def picture(colour: str) -> np.ndarray:
    """A square of a colour on a light ground."""
    image = np.full((64, 64, 3), 240, dtype=np.uint8)
    image[16:48, 12:52] = SHAPES[colour]
    return image


@pytest.fixture(scope="module")
def chain() -> Iterator[Model]:
    with load("quickstart-chain") as model:
        yield model


def texts(tmp_path: Path, limit: str = "max_tokens: 12") -> Model:
    path = tmp_path / "texts.yaml"
    path.write_text(TEXTS.replace("LIMIT", limit))
    return load(path, weights="initial")


def test_a_caption_goes_into_a_question_that_is_answered(chain: Model) -> None:
    answers = [chain.run(image=picture(colour)) for colour in SHAPES]
    for colour, answer in zip(SHAPES, answers, strict=True):
        assert answer["caption"] == f"a {colour} rectangle"
        assert answer["question"] == "what color is the rectangle?"
        assert answer["colour"] == colour
        assert bool(answer["parsed"])
    together = chain.run(image=[picture(colour) for colour in SHAPES])
    assert {name: list(value) for name, value in together.items()} == {
        name: [answer[name] for answer in answers] for name in together
    }


def test_the_last_text_streams_and_the_earlier_are_told(chain: Model) -> None:
    stream = chain.stream(image=picture("blue"))
    assert stream.earlier == {}
    assert "".join(stream) == "blue"
    assert stream.earlier == {"caption": "a blue rectangle"}


def test_a_stream_on_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.fromarray(picture("red")).save(path)
    assert main(["run", "quickstart-chain", f"image={path}", "--stream"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("red\n", "caption: a red rectangle\n")


def test_each_node_has_its_time(chain: Model) -> None:
    timing = Timing(chain.device)
    with timing:
        chain.run(image=picture("red"))
    assert list(timing.nodes)[3:7] == ["caption", "named", "query", "question"]


def test_sessions_keep_what_depends_on_what_they_keep(tmp_path: Path) -> None:
    with texts(tmp_path) as model:
        session = model.session(question="what is")
        assert session.inputs == ("name",)
        for name in ("a cat", "a very small dog"):
            asked, whole = session.ask(name=name), model.run(question="what is", name=name)
            assert asked["text"] == whole["text"] == f"what is {name}?"
            assert asked["states"].values.equal(whole["states"].values)


def test_rows_of_a_batch_are_read_apart(tmp_path: Path) -> None:
    rows = [("{name}", "{question} {{"), ('is {"score": 0.1, "count": 16777217} it', "a"), ("no", "")]
    with texts(tmp_path) as model:
        together: dict[str, Any] = model.run(question=[q for q, _ in rows], name=[n for _, n in rows])
        assert together["text"] == [
            "{name} {question} {{?",
            'is {"score": 0.1, "count": 16777217} it a?',
            "no ?",
        ]
        assert together["score"].tolist() == [0, 0.1, 0]  # as wide as it was written
        assert together["count"].tolist() == [0, 16777217, 0]
        for number, (question, name) in enumerate(rows):
            alone = model.run(question=question, name=name)
            length = alone["tokens"].ids.shape[0]
            assert together["tokens"].ids[number, :length].equal(alone["tokens"].ids)
            assert int(together["tokens"].mask[number].sum()) == length


def test_what_is_too_long_is_cut_or_refused(tmp_path: Path) -> None:
    long = {"question": "why " * 14, "name": "x"}
    with texts(tmp_path) as model:
        assert model.run(**long)["tokens"].ids.shape == (12,)
    with (
        texts(tmp_path, "max_tokens: 12, on_overflow: error") as model,
        pytest.raises(InputError, match="12 are allowed"),
    ):
        model.run(**long)
    with (
        texts(tmp_path, "separator: true") as model,
        pytest.raises(InputError, match="node `asked` has 18 tokens, and task `read` takes at most 12"),
    ):
        model.run(**long)
    with (
        texts(tmp_path) as model,
        pytest.raises(InputError, match="61 characters, and `max_characters` is 60"),
    ):
        model.run(question="x" * 61, name="")
