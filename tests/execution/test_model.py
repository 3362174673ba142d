"""`composer.load` and `Model.run`, the public door: one by one, in batches, in threads, streamed, at another dtype."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

import composer
from composer.cli import main
from composer.execution import Model

QUESTIONS = ["what is it", "what color is the ball?", "who", "blue", "is the man playing with the cat"]
START, END = 101, 102


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
    monkeypatch.setattr(
        generator.search.implementation, "stream", lambda step, cache: iter(range(200, 200 + len(words)))
    )
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
        memory = slots[runner.plan.slot(("memory/memory", "states"))]
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
