"""What becomes of rows: batches of near length, rows at fault, and answers that depend on no other row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from counting import Counting

import composer
from composer.execution import Model
from composer.problems import InputError
from composer.rows import RowAnswer, answer_rows, run_rows
from composer.rows.media_root import MediaRoot
from composer.rows.row import RowError

QUESTIONS = ["who is it?", "what is it", "is the cat red", "is it a red cat or is it a dog?", "what"]


def texts_of(answers: list[RowAnswer]) -> list[str]:
    return [str(each.outputs.get("letters", each.error)) for each in answers]


def test_rows_of_near_length_share_a_batch_and_answers_keep_the_order() -> None:
    model = Counting()
    rows = [{"text": "x" * (1 if number % 2 else 50)} for number in range(40)]
    answers = list(answer_rows(model, "count", rows, batch_size=10))
    assert [each.row for each in answers] == list(range(1, 41))
    assert texts_of(answers) == [str(len(row["text"])) for row in rows]
    assert [len({len(text) for text in call}) for call in model.calls] == [1, 1, 1, 1]


def test_a_window_is_bounded() -> None:
    """Rows are read as a stream: the first answers are there long before the last row."""
    given: list[int] = []

    def rows() -> Any:
        for number in range(100_000):
            given.append(number)
            yield {"text": "x" * (number % 7)}

    answers = answer_rows(Counting(), "count", rows(), batch_size=2)
    assert next(answers).row == 1
    assert len(given) < 1_000


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_rows_at_fault_say_why_and_the_others_are_answered(workers: int) -> None:
    model = Counting()
    rows: list[Any] = [{"text": "a" * number} for number in range(1, 30)]
    rows[3] = {"text": "unreadable"}
    rows[4] = {"txt": "a"}
    rows[5] = {"text": None}
    rows[6] = {"text": "it breaks"}
    rows[7] = ["text"]
    answers = list(answer_rows(model, None, rows, batch_size=8, workers=workers))
    errors = {each.row: each.error for each in answers if each.error is not None}
    assert {row: str(error) for row, error in errors.items()} == {
        4: "unreadable cannot be read",
        5: "it has no column `text`; did you mean `txt`?",
        6: "its column `text` has no value",
        7: "a node failed on 1 texts",
        8: "it is of the type list, not a map of columns and values",
    }
    assert errors[5] is not None
    assert errors[5].column == "text"
    assert [each.row for each in answers] == list(range(1, 30))
    assert all(each.outputs == {"letters": str(each.row)} for each in answers if each.error is None)


@pytest.mark.parametrize("error", [RuntimeError("a fault of ours"), SystemExit(3)])
def test_a_worker_that_fails_ends_the_run(error: BaseException) -> None:
    """Nobody waits for ever for what it did not read."""
    model = Counting()
    real = model.read

    def read(raw: Any) -> Any:
        if any("fatal" in text for text in raw["text"]):
            raise error
        return real(raw)

    model.read = read  # type: ignore[method-assign]
    rows = [{"text": "fatal" if number == 70 else "a"} for number in range(200)]
    with pytest.raises(type(error)):
        list(answer_rows(model, None, rows, batch_size=2, workers=3))


def test_rows_with_a_seed_are_answered_one_at_a_time() -> None:
    """Until each sample is known to draw as it would alone."""
    model = Counting()
    assert len(list(answer_rows(model, None, [{"text": "a"}] * 5, seed=3))) == 5
    assert [len(call) for call in model.calls] == [1] * 5
    with pytest.raises(InputError, match="it takes no seed 4"):
        answer_rows(model, None, [{"text": "a"}], seed=4)


def test_a_model_that_breaks_is_no_fault_of_the_rows() -> None:
    model = Counting()

    def before(texts: list[str]) -> None:
        model.broken = len(model.calls) >= 3

    model._before = before
    answers: list[RowAnswer] = []
    with pytest.raises(composer.ComposerError, match="a node failed"):
        answers.extend(answer_rows(model, None, ({"text": "a"} for _ in range(400)), batch_size=2))
    assert answers
    assert all(each.error is None for each in answers)


def test_outputs_of_a_batch_are_those_of_each_row_alone(model: Model, tiny) -> None:
    rows = [{"image": str(tiny.picture), "question": question} for question in QUESTIONS]
    alone = [model.run("image-qa", **row) for row in rows]
    for size in (1, 2, 5):
        found = [each.outputs for each in answer_rows(model, "image-qa", rows, batch_size=size)]
        assert [each["answer"] for each in found] == [each["answer"] for each in alone]
        scores = [torch.as_tensor([each["score"] for each in every]) for every in (found, alone)]
        torch.testing.assert_close(*scores, rtol=1e-3, atol=1e-3)


PARTS = """\
composer: 1
name: parts
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1}}
  head: {uses: core.linear, with: {input_dim: 16, output_dim: 3}}
tasks:
  words:
    inputs: {q: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 20}}}
    nodes: {w: {call: text, inputs: q}, h: {call: head, inputs: w}}
    outputs: {states: w, scores: h}
"""


def test_what_fills_up_a_batch_is_in_no_answer(tmp_path: Path) -> None:
    (tmp_path / "parts.yaml").write_text(PARTS)
    model = composer.load(tmp_path / "parts.yaml", weights="initial")
    rows = [{"q": question} for question in QUESTIONS]
    for row, found in zip(rows, answer_rows(model, None, rows, batch_size=5), strict=True):
        alone = model.run(**row)
        assert found.outputs["states"].values.shape == alone["states"].values.shape
        for name in ("states", "scores"):
            torch.testing.assert_close(found.outputs[name].values, alone[name].values, rtol=1e-4, atol=1e-5)


def test_values_that_a_batch_shares_are_never_mixed(model: Model, tiny) -> None:
    """Answers to rank are a list for each row; rows with other lists are in other batches."""
    choices = [["a cat", "a dog"], ["red", "is it", "who"], ["a cat", "a dog"]]
    rows = [
        {"image": str(tiny.picture), "question": question, "answers": answers}
        for question, answers in zip(QUESTIONS, choices, strict=False)
    ]
    for row, found in zip(rows, answer_rows(model, "image-qa-rank", rows), strict=True):
        alone = model.run("image-qa-rank", **row)
        assert found.outputs["best"].tolist() == alone["best"].tolist()
        torch.testing.assert_close(
            found.outputs["probabilities"], alone["probabilities"], rtol=1e-3, atol=1e-3
        )


def test_an_input_may_be_the_same_for_all_rows(model: Model, tiny) -> None:
    rows = [{"text": question, "id": f"q{n}", "gold": n} for n, question in enumerate(QUESTIONS)]
    found = list(
        answer_rows(
            model,
            "image-qa",
            rows,
            columns={"question": "text"},
            constants={"image": str(tiny.picture)},
            keep=["gold"],
        )
    )
    assert [(each.id, each.kept) for each in found] == [(f"q{n}", {"gold": n}) for n in range(5)]
    expected = [model.run("image-qa", image=str(tiny.picture), question=each)["answer"] for each in QUESTIONS]
    assert [each.outputs["answer"] for each in found] == expected


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([{"txt": "a"}], {}, r"has no column `text`; did you mean `txt`\?.*--map text=COLUMN"),
        (
            [{"text": "a"}],
            {"columns": {"txt": "text"}},
            r"task `count` has no input `txt`; did you mean `text`",
        ),
        ([{"text": "a"}], {"constants": {"texts": "a"}}, r"task `count` has no input `texts`"),
        ([{"text": "a"}], {"columns": {"text": "text"}, "constants": {"text": "a"}}, "do one"),
        (
            [{"id;text": "a;b"}],
            {},
            r"has one column, 'id;text': put commas between columns in a \.csv, tabs in a",
        ),
        ([{"text": "a"}], {"id": "name"}, r"has no column `name`"),
        ([{"text": "a"}], {"keep": ["gold"]}, r"has no column `gold`"),
    ],
)
def test_columns_that_cannot_be_are_told_before_anything_runs(
    tmp_path: Path, rows: list[Any], options: dict[str, Any], message: str
) -> None:
    model = Counting()
    with pytest.raises(InputError, match=message):
        run_rows(model, None, write(tmp_path / "rows.jsonl", rows), tmp_path / "out.jsonl", **options)
    assert model.calls == []
    assert not (tmp_path / "out.jsonl").exists()


def test_a_linked_folder_does_not_lead_out(tmp_path: Path) -> None:
    inside = tmp_path / "data"
    (inside / "own").mkdir(parents=True)
    for folder in (tmp_path, inside / "own"):
        (folder / "cat.jpg").write_bytes(b"cat")
    (inside / "out").symlink_to(tmp_path)
    (inside / "within").symlink_to(inside / "own")
    root = MediaRoot(inside)
    for name in ("own/cat.jpg", "within/cat.jpg", "within/cat.jpg", "own/../own/cat.jpg"):
        assert root.held(name, "image") == str(inside / name)
    for name in ("out/cat.jpg", "out/cat.jpg", "within/../../cat.jpg", "out/data/../cat.jpg"):
        with pytest.raises(RowError, match="lies outside of"):
            root.held(name, "image")


def test_files_of_rows_stay_below_their_folder(model: Model, tiny, tmp_path: Path) -> None:
    inside = tmp_path / "data"
    inside.mkdir()
    (inside / "cat.jpg").write_bytes(tiny.picture.read_bytes())
    (tmp_path / "secret.jpg").write_bytes(tiny.picture.read_bytes())
    (inside / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    names = [
        "cat.jpg",
        "./cat.jpg",
        "gone.jpg",
        "../secret.jpg",
        str(tmp_path / "secret.jpg"),
        "link.jpg",
        "a\0b",
        "",
    ]
    names += ["https://example.org/cat.jpg"]
    path = write(inside / "rows.jsonl", [{"image": name, "question": "what"} for name in names])
    found = list(answer_rows(model, "image-qa", path))
    assert [each.error is None for each in found] == [True, True, *[False] * 7]
    reasons = [each.reason for each in found[2:]]
    assert "gone.jpg does not exist below" in reasons[0]
    assert all("lies outside of" in reason and "--media-root" in reason for reason in reasons[1:4])
    assert "is not a path" in reasons[4]
    assert "nothing is fetched" in reasons[6]
    wider = list(answer_rows(model, "image-qa", path, media_root=tmp_path))
    assert wider[0].error is not None  # paths begin at the root that is named
    assert wider[4].error is None


def test_pictures_may_stand_in_the_rows_as_bytes(model: Model, tiny) -> None:
    pictures = [tiny.picture.read_bytes(), {"bytes": tiny.picture.read_bytes(), "path": "cat.jpg"}]
    rows = [{"image": pictures[0], "question": "what"}, {"image": b"broken", "question": "what"}]
    first, second = answer_rows(model, "image-qa", rows)
    assert first.outputs == model.run("image-qa", image=str(tiny.picture), question="what")
    assert "6 bytes" in second.reason
