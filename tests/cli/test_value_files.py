"""`NAME=@FILE` gives an input that takes a list the texts of a file: to one answer, to rows, to an evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from composer.cli import main

DOCUMENT = """\
composer: 1
name: pick
modules: {}
tasks:
  pick:
    inputs:
      place: {modality: array, with: {kind: labels, dims: [B, 1]}}
      answers: {modality: string}
      said: {modality: string}
    nodes:
      best: {uses: core.best_text, inputs: {ids: place, texts: answers.text}}
      told: {uses: core.text_template, inputs: {text: said}, with: {template: "{text}"}}
    outputs: {answer: best.text, told: told}
    evaluation: {output: answer, reference: right, metrics: {same: core.exact_match}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("pick.yaml").write_text(DOCUMENT)
    Path("answers.txt").write_text("a red ball\n blue \ngreen\n", encoding="utf-8")
    Path("answers.json").write_text(json.dumps(["a red ball", "blue", "green"]))
    rows = [{"place": [2], "said": "@home", "right": "green"}, {"place": [0], "said": "x", "right": "blue"}]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main([*words]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


@pytest.mark.parametrize("name", ["answers.txt", "answers.json"])
def test_rows_and_evaluations_take_a_list_from_a_file(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    lines = told(capsys, "run", "pick.yaml", f"answers=@{name}", "--rows", "rows.jsonl").splitlines()
    found = [json.loads(line)["outputs"] for line in lines]
    assert [each["answer"] for each in found] == ["green", "a red ball"]
    assert found[0]["told"] == "@home", "what rows hold is given as it is"
    score = told(capsys, "evaluate", "pick.yaml", f"answers=@{name}", "--data", "rows.jsonl", "--json")
    assert json.loads(score)["scores"]["same"]["value"] == 0.5


RANK = """\
composer: 1
name: rank
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1}}
  decoder:
    uses: mplug2.text_decoder
    with: {hidden: 16, heads: 2, layers: 1, tokenizer: bert-uncased, start: 101, end: 102, pad: 0}
tasks:
  rank:
    inputs:
      question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 8}}
      answers: {modality: string}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      read: {modality: text, inputs: {text: answers.text}, with: {tokenizer: bert-uncased, max_tokens: 8}}
      ranking: {call: decoder.rank, inputs: {memory: words, candidates: read.tokens}, with: {top: 5}}
      first: {uses: core.best_text, inputs: {ids: ranking.ids, texts: answers.text}}
    outputs: {answer: first.text, ids: ranking.ids}
"""


def test_one_answer_takes_a_list_from_a_file_and_more_beside_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("rank.yaml").write_text(RANK)
    given = ["question=@home", "answers=@answers.txt", "answers=plain", "answers=@@both"]
    answer = json.loads(told(capsys, "run", "rank.yaml", "--weights", "initial", *given, "--json"))
    assert sorted(answer["ids"]) == [0, 1, 2, 3, 4]
    assert answer["answer"] in ("a red ball", "blue", "green", "plain", "@both")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.txt", None, "gone.txt cannot be read: No such file or directory (a value that begins with @"),
        ("a.txt", "red\n\nblue\n", "line 2 of a.txt is empty"),
        ("a.txt", "red\nblue\n red\n", "line 3 of a.txt says `red`, as line 1 does"),
        ("a.txt", "", "a.txt is empty"),
        ("a.json", '["red", 3]', "entry 2 of a.json is 3, and no text"),
        ("a.json", '{"red": 3}', "a.json holds no JSON list"),
        ("a.json", "[1, ", "a.json is not JSON"),
        ("a.json", '["red", "red"]', "entry 2 of a.json says `red`, as entry 1 does"),
    ],
)
def test_a_file_that_holds_no_list_of_texts_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, content: str | None, says: str
) -> None:
    if content is not None:
        Path(name).write_text(content)
    line = told(
        capsys, "run", "pick.yaml", f"answers=@{name}", "--rows", "rows.jsonl", "--out", "o.jsonl", code=1
    )
    assert f"composer: error: answers=@{name}: " in line
    assert says in line
    assert len(line.splitlines()) == 1
    assert not Path("o.jsonl").exists()


def test_a_file_that_is_no_text_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.txt").write_bytes(b"\xff\xfe")
    line = told(capsys, "run", "pick.yaml", "answers=@a.txt", "--rows", "rows.jsonl", code=1)
    assert "a.txt cannot be read: it is not UTF-8 text" in line
