"""`composer.load` and `Model.run`, the public door: one by one, in batches, in threads, streamed, at another dtype."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import composer
from composer.cli import main
from composer.problems import ComposerError, DocumentError, InputError
from composer.runtime import Model
from composer.runtime.weights import WeightsError

QUESTIONS = ["what is it", "what color is the ball?", "who", "blue", "is the man playing with the cat"]
START, END = 101, 102


@pytest.fixture(scope="module")
def model(tiny) -> Model:
    return composer.load(tiny.document, weights=tiny.weights)


@pytest.fixture(scope="module")
def greedy(tiny) -> Model:
    return composer.load(tiny.document, weights=tiny.weights, settings={"beams": 1})


@pytest.fixture(scope="module")
def picture_of(tiny) -> dict[str, Any]:
    """The input that each task reads beside its question."""
    return {"image": tiny.picture, "video": tiny.clip}


def rows(outputs: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(outputs, values, strict=True)) for values in zip(*outputs.values(), strict=True)]


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(value, second[name], rtol=1e-4, atol=1e-4)
        else:
            assert value == second[name]


@pytest.mark.parametrize(("task", "seen"), [("image-qa", "image"), ("video-qa", "video")])
def test_a_batch_answers_as_its_samples_do_alone(model, picture_of, task: str, seen: str) -> None:
    batch = model.run(task, **{seen: [picture_of[seen]] * len(QUESTIONS)}, question=QUESTIONS)
    alone = [model.run(task, **{seen: picture_of[seen]}, question=question) for question in QUESTIONS]
    assert len({row["answer"] for row in alone}) > 2  # otherwise the comparison shows little
    for together, single in zip(rows(batch), alone, strict=True):
        assert_same(together, single)


@pytest.mark.parametrize(("task", "seen"), [("image-caption", "image"), ("video-caption", "video")])
def test_a_batch_of_captions_is_one_for_each(model, picture_of, task: str, seen: str) -> None:
    alone = model.run(task, **{seen: picture_of[seen]})
    for row in rows(model.run(task, **{seen: [picture_of[seen]] * 3})):
        assert_same(row, alone)


def test_samples_of_a_batch_end_at_different_lengths(greedy, picture_of) -> None:
    answers = greedy.run("image-qa", image=picture_of["image"], question=QUESTIONS)["answer"]
    assert len({len(answer.split()) for answer in answers}) > 1
    assert answers == [
        greedy.run("image-qa", image=picture_of["image"], question=question)["answer"]
        for question in QUESTIONS
    ]


def test_a_single_value_stands_for_all_beside_a_list(model, picture_of) -> None:
    spread = model.run("image-qa", image=picture_of["image"], question=QUESTIONS)
    assert_same(
        spread, model.run("image-qa", image=[picture_of["image"]] * len(QUESTIONS), question=QUESTIONS)
    )


def test_a_list_of_one_is_a_batch_of_one(model, picture_of) -> None:
    alone = model.run("image-qa", image=picture_of["image"], question="who")
    batch = model.run("image-qa", image=[picture_of["image"]], question=["who"])
    assert isinstance(alone["answer"], str)
    assert_same({name: value[0] for name, value in batch.items()}, alone)


def test_the_rows_of_a_batch_do_not_mix(model, picture_of) -> None:
    backwards = model.run("image-qa", image=picture_of["image"], question=QUESTIONS[::-1])
    forwards = model.run("image-qa", image=picture_of["image"], question=QUESTIONS)
    assert backwards["answer"][::-1] == forwards["answer"]


@pytest.mark.parametrize("question", QUESTIONS)
def test_streamed_pieces_are_the_greedy_answer(greedy, picture_of, question: str) -> None:
    pieces = list(greedy.stream("image-qa", image=picture_of["image"], question=question))
    assert all(pieces)
    assert "".join(pieces) == greedy.run("image-qa", image=picture_of["image"], question=question)["answer"]


def test_a_long_text_streams_in_several_pieces(greedy, picture_of) -> None:
    assert len(list(greedy.stream("video-caption", video=picture_of["video"]))) > 1


def test_word_pieces_that_join_do_not_spoil_a_stream(greedy, picture_of, monkeypatch) -> None:
    """ "don't stop it, ..." comes as don, ', t, ...: each joins what is already there."""
    words = [
        "the",
        "man",
        "don",
        "'",
        "t",
        "run",
        ",",
        "he",
        "'",
        "s",
        "here",
        ".",
        "it",
        "is",
        "n",
        "'",
        "t",
        "right",
        "?",
    ]
    generator = greedy.runner("image-qa").generators["answer"]
    vocabulary = generator.tokenizer._words | {200 + index: word for index, word in enumerate(words)}
    monkeypatch.setattr(generator.tokenizer, "_words", vocabulary)
    monkeypatch.setattr(generator.policy, "stream", lambda step, cache: iter(range(200, 200 + len(words))))
    pieces = list(greedy.stream("image-qa", image=picture_of["image"], question="who"))
    assert "".join(pieces) == "the man don't run, he's here. it isn't right?"
    assert len(pieces) > 3


def test_inference_mode_does_not_leak_into_the_code_between_two_pieces(greedy, picture_of) -> None:
    for _ in greedy.stream("video-caption", video=picture_of["video"]):
        assert not torch.is_inference_mode_enabled()


def test_several_threads_and_tasks_answer_as_one_does(tiny, picture_of) -> None:
    model = composer.load(tiny.document, weights=tiny.weights)  # fresh: the threads make the runners too
    calls: list[tuple[str, dict[str, Any]]] = [
        *[("image-qa", {"image": picture_of["image"], "question": question}) for question in QUESTIONS],
        *[("video-qa", {"video": picture_of["video"], "question": question}) for question in QUESTIONS[:2]],
        ("image-caption", {"image": picture_of["image"]}),
        ("image-qa-rank", {"image": picture_of["image"], "question": "who", "answers": ["cat", "dog"]}),
    ] * 2
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda call: model.run(call[0], **call[1]), calls))
    for (task, raw), found in zip(calls, together, strict=True):
        assert_same(found, model.run(task, **raw))


def test_tasks_share_their_modules(model) -> None:
    first, second = (model.runner(task).program.modules_by_name for task in ("image-qa", "video-qa"))
    assert first.keys() == second.keys()
    assert all(first[name] is second[name] is model.modules[name] for name in first)
    assert model.runner("image-qa") is model.runner("image-qa")


def test_only_the_modules_of_the_chosen_tasks_are_built(tiny) -> None:
    model = composer.load(tiny.document, weights=tiny.weights, tasks=iter(["image-caption"]))
    assert model.tasks == ("image-caption",)
    assert set(model.modules) == {"vision", "adapter", "universal", "visual_norm", "decoder"}
    assert model.run(image=tiny.picture)["caption"]  # the only task needs no name
    assert composer.load(tiny.document, weights=tiny.weights, tasks="image-qa").tasks == ("image-qa",)


def test_weights_can_be_kept_at_half_the_width(tiny, model) -> None:
    half = composer.load(tiny.document, weights=tiny.weights, dtype="bfloat16")
    assert {p.dtype for module in half.modules.values() for p in module.parameters()} == {torch.bfloat16}
    answer = half.run("image-qa", image=tiny.picture, question=QUESTIONS)
    exact = model.run("image-qa", image=tiny.picture, question=QUESTIONS)
    assert all(isinstance(text, str) for text in answer["answer"])
    # bfloat16 keeps 8 bits: the scores agree in their size, not in their digits.
    torch.testing.assert_close(answer["score"].float(), exact["score"], rtol=0.5, atol=1.0)


def test_the_score_of_beam_search_is_that_of_its_text(model, picture_of) -> None:
    """Recomputed in one pass over the whole text: summed log-probabilities over the published length penalty."""
    runner = model.runner("image-qa")
    tensors, _ = runner.inputs.encode({"image": picture_of["image"], "question": QUESTIONS[1]}, model.device)
    with torch.inference_mode():
        slots = runner.slots(tensors)
        ids = slots[runner.plan.slot(("answer", "ids"))]
        memory = slots[runner.plan.slot(("memory", "states"))]
        tokens = type(tensors["question"]["tokens"])(ids, torch.ones_like(ids))
        logits = model.modules["decoder"](memory=memory, tokens=tokens)
    found = logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None]).sum()
    length = ids.shape[1] - 1
    assert ids[0, 0] == START
    assert ids[0, -1] == END
    score = model.run("image-qa", image=picture_of["image"], question=QUESTIONS[1])["score"]
    torch.testing.assert_close(score, found / ((5 + length) / 6) ** 0.6, rtol=1e-4, atol=1e-4)


def test_ranking_orders_the_given_answers(model, picture_of) -> None:
    answers = ["cat", "a dog", "red"]
    found = model.run("image-qa-rank", image=picture_of["image"], question="who", answers=answers)
    assert found["best"].shape == found["probabilities"].shape == (2,)
    assert found["probabilities"][0] >= found["probabilities"][1]
    torch.testing.assert_close(found["probabilities"].sum(), torch.tensor(1.0))
    other = model.run("image-qa-rank", image=picture_of["image"], question="who", answers=answers[::-1])
    assert [answers[i] for i in found["best"]] == [answers[::-1][i] for i in other["best"]]
    assert_same({"p": found["probabilities"]}, {"p": other["probabilities"]})


def test_the_questions_of_a_ranked_batch_share_the_answers(model, picture_of) -> None:
    answers = ["cat", "a dog", "red"]
    batch = model.run("image-qa-rank", image=picture_of["image"], question=QUESTIONS, answers=answers)
    for question, row in zip(QUESTIONS, rows(batch), strict=True):
        alone = model.run("image-qa-rank", image=picture_of["image"], question=question, answers=answers)
        assert_same(row, alone)


def test_loading_reports_what_it_read(model, tiny) -> None:
    text = str(model.loading)
    assert str(tiny.weights) in text
    assert all(name in text for name in model.modules)


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
        ({"device": "gpu"}, "is no device"),
        ({"device": "meta"}, "device meta cannot be used here"),
        ({"dtype": "int8"}, "is no number format for weights"),
        ({"dtype": "float23"}, "is no number format for weights"),
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
    with pytest.raises(InputError, match=r"text 2 of the batch is a int"):
        model.run("image-qa", image=tiny.picture, question=["who", 3])


@pytest.mark.parametrize(
    ("settings", "task", "raw", "message"),
    [
        ({}, "image-qa", {"question": "who"}, "a search with 2 beams cannot stream"),
        ({"beams": 1}, "image-qa-rank", {"question": "who", "answers": ["a", "b"]}, "generates no text"),
        ({"beams": 1}, "image-qa", {"question": ["who", "what"]}, "one sample at a time, not 2"),
    ],
)
def test_what_cannot_stream_says_so(tiny, settings, task: str, raw: dict[str, Any], message: str) -> None:
    model = composer.load(tiny.document, weights=tiny.weights, settings=settings)
    with pytest.raises(InputError, match=message):
        list(model.stream(task, image=tiny.picture, **raw))


def test_a_stream_that_cannot_be_is_refused_before_its_first_piece(model, tiny) -> None:
    with pytest.raises(InputError, match="cannot stream"):
        model.stream("image-qa", image=tiny.picture, question="who")


def test_a_node_that_fails_is_named_with_what_it_was_given(tiny, tmp_path: Path) -> None:
    """The text modality knows 104 words, the text encoder 103."""
    path = tmp_path / "narrow.yaml"
    path.write_text(
        "composer: 1\nname: narrow\n"
        "modules:\n  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, vocabulary: 103}}\n"
        "tasks:\n  embed:\n"
        f"    inputs: {{question: {{modality: text, with: {{tokenizer: {tiny.document.parent}/vocabulary.txt}}}}}}\n"
        "    nodes: {words: {call: text, inputs: {tokens: question.tokens}}}\n"
        "    outputs: {states: words.states}\n"
    )
    model = composer.load(path, weights="initial")
    with pytest.raises(ComposerError) as caught:
        model.run(question="a [MASK]")
    message = str(caught.value)
    assert message.startswith("node `words` of task `embed` (text, mplug2.text_encoder) failed: ")
    assert "tokens.ids int64[1, 4] from 1 to 103" in message
    assert isinstance(caught.value.__cause__, IndexError)


def test_a_decoder_that_disagrees_with_its_vocabulary_is_told(tiny, tmp_path: Path) -> None:
    """A vocabulary of one's own has its special tokens elsewhere; ids that are other words would never end a text."""
    words = (tiny.document.parent / "vocabulary.txt").read_text().split("\n")
    moved = [words[0], *words[101:104], *words[1:101], *words[104:]]
    (tmp_path / "vocabulary.txt").write_text("\n".join(moved))
    (tmp_path / "own.yaml").write_text(tiny.document.read_text())
    model = composer.load(tmp_path / "own.yaml", weights="initial")
    with pytest.raises(InputError, match="write start: 1, end: 2 in its `with`"):
        model.run("image-caption", image=tiny.picture)


def test_a_vocabulary_named_by_a_child_document_lies_beside_the_child(tiny, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # neither here nor beside the parent
    assert composer.check(tiny.document).ok
    task = composer.check(tiny.document).tasks["image-qa"]
    expected = str(tiny.document.parent / "vocabulary.txt")
    assert task.inputs["question"].config.tokenizer == expected
    assert task.nodes["answer"].module.config.tokenizer == expected


def test_a_vocabulary_named_on_the_command_line_lies_in_the_working_directory(
    tiny, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_bytes((tiny.document.parent / "vocabulary.txt").read_bytes())
    model = composer.load(tiny.document, weights=tiny.weights, settings={"tokenizer": "mine.txt"})
    assert model.run("image-qa", image=tiny.picture, question="who")["answer"]


def test_the_command_line_prints_what_the_function_returns(model, tiny, capsys) -> None:
    expected = model.run("image-qa", image=tiny.picture, question="who")
    call = ["run", f"{tiny.document}:image-qa", "--weights", str(tiny.weights)]
    raw = [f"image={tiny.picture}", "question=who"]
    assert main([*call, *raw]) == 0
    assert capsys.readouterr().out == f"answer: {expected['answer']}\nscore: {expected['score'].item()}\n"
    assert main([*call, "--json", *raw]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "answer": expected["answer"],
        "score": expected["score"].item(),
    }


def test_the_command_line_streams_the_greedy_answer(greedy, tiny, capsys) -> None:
    expected = greedy.run("image-qa", image=tiny.picture, question="who")["answer"]
    call = [
        "run",
        f"{tiny.document}:image-qa",
        "--weights",
        str(tiny.weights),
        "--stream",
        "--set",
        "beams=1",
    ]
    assert main([*call, f"image={tiny.picture}", "question=who"]) == 0
    assert capsys.readouterr().out == f"{expected}\n"


def test_a_name_that_is_given_twice_on_the_command_line_is_a_list(model, tiny, capsys) -> None:
    answers = ["cat", "dog", "red"]
    expected = model.run("image-qa-rank", image=tiny.picture, question="who", answers=answers)
    call = ["run", f"{tiny.document}:image-qa-rank", "--weights", str(tiny.weights), "--json"]
    inputs = [f"image={tiny.picture}", "question=who", *(f"answers={answer}" for answer in answers)]
    assert main([*call, *inputs]) == 0
    assert json.loads(capsys.readouterr().out)["best"] == expected["best"].tolist()
