"""What `composer.load` reads and reports, and what it, `Model.run` and `Model.stream` refuse in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import composer
from composer.plugin import load_registry
from composer.problems import ComposerError, DocumentError, InputError
from composer.types import Tokens
from composer.weights import WeightsError


def test_loading_reports_what_it_read(model, tiny) -> None:
    text = str(model.loading)
    assert str(tiny.weights) in text
    assert all(name in text for name in model.modules)


def test_a_shipped_document_has_its_weights_however_it_was_given() -> None:
    path = load_registry().documents["quickstart"].path
    for document in ("quickstart", path, composer.check("quickstart")):
        assert "quickstart.safetensors" in str(composer.load(document, tasks=["image-qa"]).loading)


def test_a_checkpoint_that_does_not_fit_is_refused_whole(tiny, tmp_path: Path) -> None:
    tensors = load_file(tiny.weights)
    first, second, third = list(tensors)[:3]
    tensors["stranger"] = tensors.pop(first)
    tensors[second] = tensors[second][..., :-1].contiguous()
    tensors[third] = tensors[third] * float("nan")
    save_file(tensors, tmp_path / "other.safetensors")
    report = composer.check(tiny.document)
    with pytest.raises(WeightsError, match="nothing was loaded") as caught:
        composer.load(report, weights=tmp_path / "other.safetensors")
    assert all(name in str(caught.value) for name in (first, second, third, "stranger", "NaN"))
    # The report is as good as before: nothing of the failed load hangs on it.
    assert composer.load(report, weights=tiny.weights).run("image-caption", image=tiny.picture)["caption"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": ["image-qs"]}, "did you mean `image-qa`"),
        ({"layout": "mplug"}, "did you mean `mplug2`"),
        ({"layout": "mplug", "weights": "initial"}, "there is no layout `mplug`"),
        ({"device": "gpu"}, "is not a device"),
        ({"device": "meta"}, "device meta cannot be used here"),
        ({"dtype": "int8"}, "is not a number format for weights"),
        ({"dtype": "float23"}, "is not a number format for weights"),
        ({"weights": None}, "tiny ships no weights"),
        ({"weights": "gone.safetensors"}, "gone.safetensors: there is no such file"),
        ({"config": {"text_width": 1}}, "name one with layout="),
    ],
    ids=str,
)
def test_what_cannot_be_loaded_is_one_sentence(tiny, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")) as caught:
        composer.load(tiny.document, **{"weights": tiny.weights, **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"beams": "two"}, "C105"),
        ({"beamz": 2}, "C103"),
        ({"beams": 0}, "C206"),
        ({"answer_max_tokens": 0}, "C206"),
        ({"answer_max_tokens": 25}, "C206"),  # one more than there are positions
        ({"answer_min_tokens": 11}, "C206"),
        ({"heads": 3}, "C206"),
        ({"vision_width": 100}, "C206"),
        ({"patch_size": 7}, "C206"),
    ],
    ids=str,
)
def test_a_setting_that_does_not_do_is_a_problem_of_the_document(
    tiny, settings: dict[str, Any], code: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        composer.load(tiny.document, weights=tiny.weights, settings=settings)
    assert {problem.code for problem in caught.value.problems} == {code}


@pytest.mark.parametrize(
    ("task", "raw", "message"),
    [
        ("image-qa", {"image": "x.png"}, "needs the input `question`"),
        ("image-qa", {}, "needs the input `image` and `question`"),
        ("image-qa", {"image": "x.png", "question": "who", "video": "y.mp4"}, "has no input `video`"),
        ("image-qa", {"image": "x.png", "qestion": "who"}, "did you mean `question`"),
        ("image-qa", {"image": ["x", "y"], "question": ["who"]}, "unequal numbers of values"),
        ("image-qa", {"image": [], "question": "who"}, "empty list"),
        ("image-qa", {"image": "x.png", "question": 3}, "x.png does not exist"),
        ("image-qa", {"image": 3, "question": "who"}, "a picture is a path"),
        ("image-qs", {}, "did you mean `image-qa`"),
        (None, {}, "several tasks, so name one"),
    ],
)
def test_inputs_that_do_not_do_are_one_sentence(model, task, raw: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        model.run(task, **raw)
    assert "\n" not in str(caught.value)


def test_a_text_that_is_none_is_named(model, tiny) -> None:
    with pytest.raises(InputError, match=r"text 2 of the batch is of the type int"):
        model.run("image-qa", image=tiny.picture, question=["who", 3])


@pytest.mark.parametrize(
    ("settings", "task", "raw", "message"),
    [
        ({"beams": 1}, "image-qa-rank", {"question": "who", "answers": ["a", "b"]}, "generates no text"),
        ({"beams": 1}, "image-qa", {"question": ["who", "what"]}, "one sample at a time, not 2"),
    ],
)
def test_what_cannot_stream_says_so(tiny, settings, task: str, raw: dict[str, Any], message: str) -> None:
    model = composer.load(tiny.document, weights=tiny.weights, settings=settings)
    with pytest.raises(InputError, match=message):
        list(model.stream(task, image=tiny.picture, **raw))


def test_a_stream_that_cannot_be_is_refused_before_its_first_piece(tiny, tmp_path: Path) -> None:
    path = tmp_path / "choices.yaml"
    path.write_text(
        f"composer: 1\nextends: {tiny.document}\ntasks:\n  image-qa:\n    nodes:\n      answer:\n"
        "        with: {search: {uses: core.choices, with: {beams: null, answers: [a, man]}}}\n"
    )
    model = composer.load(path, weights=tiny.weights, tasks=["image-qa"])
    with pytest.raises(InputError, match=r"`core\.choices` .* cannot stream"):
        model.stream("image-qa", image=tiny.picture, question="who")


def test_beams_stream_the_text_that_they_find(model, tiny) -> None:
    raw = {"image": tiny.picture, "question": "who"}
    assert "".join(model.stream("image-qa", **raw)) == model.run("image-qa", **raw)["answer"]


def test_a_node_that_fails_is_named_with_what_it_was_given(tmp_path: Path) -> None:
    """Ids that a caller brings: the text encoder knows 103, and no vocabulary says how many come."""
    path = tmp_path / "narrow.yaml"
    path.write_text(
        "composer: 1\nname: narrow\n"
        "modules:\n  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, vocabulary: 103}}\n"
        "tasks:\n  embed:\n"
        "    inputs: {question: {modality: array, with: {kind: tokens, dims: [B, L]}}}\n"
        "    nodes: {words: {call: text, inputs: {tokens: question.tokens}}}\n"
        "    outputs: {states: words.states}\n"
    )
    model = composer.load(path, weights="initial")
    with pytest.raises(ComposerError) as caught:
        model.run(question=Tokens(torch.tensor([1, 2, 3, 103]), torch.ones(4, dtype=torch.int64)))
    message = str(caught.value)
    assert message.startswith("node `words` of task `embed` (text, mplug2.text_encoder of the plugin mplug2")
    assert "tokens.ids int64[1, 4] from 1 to 103" in message
    assert isinstance(caught.value.__cause__, IndexError)


def test_a_decoder_that_disagrees_with_its_vocabulary_is_told(tiny, tmp_path: Path) -> None:
    """A vocabulary of one's own has its special tokens elsewhere; ids that are other words would never end a text."""
    words = (tiny.document.parent / "vocabulary.txt").read_text().split("\n")
    moved = [words[0], *words[101:104], *words[1:101], *words[104:]]
    (tmp_path / "vocabulary.txt").write_text("\n".join(moved))
    (tmp_path / "own.yaml").write_text(tiny.document.read_text())
    with pytest.raises(DocumentError) as caught:
        composer.load(tmp_path / "own.yaml", weights="initial")
    faults = [problem.message.partition(": ")[2] for problem in caught.value.problems]
    assert faults == ["start 101, and the vocabulary has 1", "end 102, and the vocabulary has 2"]


def test_a_vocabulary_named_by_a_child_document_lies_beside_the_child(tiny, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # neither here nor beside the parent
    assert composer.check(tiny.document).ok
    task = composer.check(tiny.document).tasks["image-qa"]
    expected = str(tiny.document.parent / "vocabulary.txt")
    assert task.inputs["question"].config.model_dump()["tokenizer"] == expected
    assert task.nodes["answer"].module.config.model_dump()["tokenizer"] == expected


def test_a_vocabulary_named_on_the_command_line_lies_in_the_working_directory(
    tiny, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_bytes((tiny.document.parent / "vocabulary.txt").read_bytes())
    model = composer.load(tiny.document, weights=tiny.weights, settings={"tokenizer": "mine.txt"})
    assert model.run("image-qa", image=tiny.picture, question="who")["answer"]
