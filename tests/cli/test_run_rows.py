"""`composer run --rows`: what is printed and written, the exit codes, and options that do not go together."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

SPEAKING = """\
composer: 1
name: speaking
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1}}
tasks:
  embed:
    inputs:
      question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 20, on_overflow: error}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      vector: {uses: core.pool, inputs: {states: words.states}}
    outputs: {vector: vector.embedding}
"""
RUN = "run speaking.yaml --weights weights.safetensors"


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five rows, of which the fourth is too long; a document and weights for it, in the working directory."""
    from composer import load
    from composer.weights import save_weights

    monkeypatch.chdir(tmp_path)
    Path("speaking.yaml").write_text(SPEAKING)
    save_weights(load("speaking.yaml", weights="initial").modules, Path("weights.safetensors"))
    texts = ["hello", "what is it", "who", "a " * 30, "where is it?"]
    path = Path("rows.jsonl")
    path.write_text(
        "".join(
            json.dumps({"id": f"q{n}", "question": text, "gold": n}) + "\n" for n, text in enumerate(texts)
        )
    )
    return path


def test_rows_in_answers_out(composer, rows: Path) -> None:
    done = composer(*shlex.split(f"{RUN} --rows rows.jsonl --out answers.jsonl --batch-size 2"))
    assert done.code == 1
    assert done.out.startswith("answers.jsonl: 4 rows answered, 1 failed, ")
    assert done.err.splitlines() == [
        "nothing reads the column `gold`",
        "row 4: the text has 32 tokens and 20 are allowed: shorten it, raise max_tokens, or set on_overflow: truncate",
    ]
    answers = [json.loads(line) for line in Path("answers.jsonl").read_text().splitlines()]
    assert [(each["row"], each["id"], "error" in each) for each in answers] == [
        (n + 1, f"q{n}", n == 3) for n in range(5)
    ]
    assert len(answers[0]["outputs"]["vector"]) == 16
    again = composer(*shlex.split(f"{RUN} --rows rows.jsonl --out answers.jsonl"))
    assert (again.code, again.out) == (1, "answers.jsonl: 4 rows answered, 1 failed, 5 of them before\n")


def test_files_that_no_input_reads_are_told(composer, rows: Path) -> None:
    done = composer(*shlex.split(f"{RUN} --rows '*.jsonl' --out answers.csv question=hello"))
    assert (done.code, done.err.splitlines()[0]) == (0, "nothing reads the column `file`")


def test_json_echoes_what_was_asked(composer, rows: Path) -> None:
    done = composer(
        *shlex.split(
            "run speaking.yaml:embed --weights weights.safetensors"
            + " --rows rows.jsonl --out answers.csv --json --threads 1 --keep gold --workers 0 --dtype bfloat16"
        )
    )
    told = json.loads(done.out)
    assert (told["rows"], told["answered"], told["failed"], told["out"]) == (5, 4, 1, "answers.csv")
    asked = told["asked"]
    assert asked["document"] == "speaking.yaml:embed"
    assert (asked["task"], asked["weights"], asked["dtype"]) == ("embed", ["weights.safetensors"], "bfloat16")
    assert (asked["threads"], asked["workers"], asked["kept"]) == (1, 0, ["gold"])
    assert asked["columns"] == {"question": "question"}
    lines = Path("answers.csv").read_text().splitlines()
    assert lines[0] == "row,id,gold,vector,error"
    assert lines[4].startswith('4,q3,3,,"the text has 32 tokens')


def test_without_a_file_the_answers_are_printed(composer, rows: Path) -> None:
    done = composer(*shlex.split(f"{RUN} --rows rows.jsonl"))
    assert done.code == 1
    assert [json.loads(line)["row"] for line in done.out.splitlines()] == [1, 2, 3, 4, 5]


def test_weights_that_changed_are_not_gone_on_with(composer, rows: Path) -> None:
    assert composer(*shlex.split(f"{RUN} --rows rows.jsonl --out a.jsonl")).code == 1
    done = composer(*shlex.split("run speaking.yaml --weights initial --rows rows.jsonl --out a.jsonl"))
    assert (done.code, done.out) == (1, "")
    assert "its weights or its options changed" in done.err
    done = composer(*shlex.split(f"{RUN} --dtype float16 --rows rows.jsonl --out a.jsonl"))
    assert "its weights or its options changed" in done.err
    done = composer(
        *shlex.split("run speaking.yaml --weights initial --rows rows.jsonl --out a.jsonl --overwrite")
    )
    assert "4 rows answered, 1 failed, " in done.out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--out a.jsonl question=hi", "--out belongs to --rows"),
        ("--map question=text question=hi", "--map belongs to --rows"),
        ("--batch-size 3 question=hi", "--batch-size belongs to --rows"),
        ("--workers 0 question=hi", "--workers belongs to --rows"),
        ("--rows rows.jsonl --stream", "--stream is for one answer"),
        ("--rows rows.jsonl --out a.jsonl --timing", "--timing is for one answer"),
        ("--rows rows.jsonl --out a.jsonl --resume --overwrite", "give one of them"),
        ("--rows rows.jsonl --resume", "--resume belongs to --out"),
        ("--rows rows.jsonl --out a.jsonl --retry --overwrite", "give one of them"),
        ("--rows rows.jsonl --retry", "--retry belongs to --out"),
        ("--retry question=hi", "--retry belongs to --rows"),
        ("--rows rows.jsonl --json", "--json tells how the run of --out went"),
        ("--rows rows.jsonl --batch-size 0", "not a whole number above zero"),
    ],
)
def test_options_that_do_not_go_together(composer, rows: Path, line: str, message: str) -> None:
    done = composer(*shlex.split(f"{RUN} {line}"))
    assert (done.code, done.out) == (2, "")
    assert message in done.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--rows gone.jsonl --out a.jsonl", "gone.jsonl does not exist"),
        ("--rows rows.jsonl --out rows.jsonl", "nothing beside it says which rows it answers"),
        ("--rows rows.jsonl --out a.txt", "the ending of --out"),
        ("--rows rows.jsonl --out a.jsonl --map question=txt", "has no column `txt`"),
        ("--rows rows.jsonl --out a.jsonl --map question=id --map question=gold", "takes one value of a row"),
        ("--rows rows.jsonl --out a.jsonl --map qustion=question", "did you mean `question`"),
        ("--rows rows.jsonl --out a.jsonl --seed 3", "takes no seed"),
        ("--rows rows.jsonl --out a.jsonl --media-root gone", "gone is not a folder"),
    ],
)
def test_what_cannot_be_run_is_one_line(composer, rows: Path, line: str, message: str) -> None:
    content = rows.read_bytes()
    done = composer(*shlex.split(f"{RUN} {line}"))
    assert (done.code, done.out) == (1, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert rows.read_bytes() == content
    assert not Path("a.jsonl").exists()


def test_ctrl_c_says_how_to_go_on(composer, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from composer.rows.answering_rows import RowRunner

    real = RowRunner._answers

    def interrupted(self, group, read):
        if group[0].number == 5:
            raise KeyboardInterrupt
        return real(self, group, read)

    monkeypatch.setattr(RowRunner, "_answers", interrupted)
    done = composer(*shlex.split(f"{RUN} --rows rows.jsonl --out a.jsonl --batch-size 1"))
    assert done.code == 130
    assert "a.jsonl keeps the answers so far: the same command goes on behind them" in done.err
    monkeypatch.setattr(RowRunner, "_answers", real)
    done = composer(*shlex.split(f"{RUN} --rows rows.jsonl --out a.jsonl --batch-size 1"))
    assert done.code == 1
    assert len(Path("a.jsonl").read_text().splitlines()) == 5


@pytest.mark.parametrize("out", ["answers.jsonl", "answers.csv", "answers.parquet"])
def test_rows_that_failed_are_asked_again_on_demand(composer, rows: Path, out: str) -> None:
    if out.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    line = f"{RUN} --rows rows.jsonl --out {out} --batch-size 2"
    assert composer(*shlex.split(line)).code == 1
    before = Path(out).read_bytes()
    same = composer(*shlex.split(f"{line} --retry"))
    assert (same.code, "4 rows answered, 1 failed, 4 of them before" in same.out) == (1, True)
    assert "asks 1 row again that failed" in same.err
    if not out.endswith(".parquet"):
        assert Path(out).read_bytes() == before
    given = [json.loads(each) for each in rows.read_text().splitlines()]
    given[3]["question"] = "where"
    rows.write_text("".join(json.dumps(each) + "\n" for each in given))
    mended = composer(*shlex.split(f"{line} --retry --resume"))
    assert (mended.code, "5 rows answered, 0 failed, 4 of them before" in mended.out) == (0, True), mended.err
    fresh = composer(*shlex.split(f"{RUN} --rows rows.jsonl --out fresh{Path(out).suffix}"))
    assert fresh.code == 0
    if not out.endswith(".parquet"):
        # how many rows stand in a batch shows in the last digits
        assert len(Path(out).read_bytes().splitlines()) == len(
            Path(f"fresh{Path(out).suffix}").read_bytes().splitlines()
        )
    again = composer(*shlex.split(f"{line} --retry"))
    assert (again.code, "5 of them before" in again.out) == (0, True)


def test_what_is_wrong_with_a_row_names_its_column(composer, rows: Path) -> None:
    rows.write_text(
        '{"text": "hello"}\n'
        + json.dumps({"text": "a " * 30})
        + '\n{"text": 5}\n{"text": "a", "text": "b"}\n{"txt": 1}\n'
    )
    done = composer(*shlex.split(f"{RUN} --rows rows.jsonl --map question=text"))
    errors = [json.loads(line).get("error") for line in done.out.splitlines()]
    assert errors[0] is None
    assert [each.get("column") for each in errors[1:]] == ["text", "text", None, "text"]
    assert "line 4 has the key `text` twice" in errors[3]["reason"]


def test_no_rows_are_told(composer, rows: Path) -> None:
    rows.write_text("")
    done = composer(*shlex.split(f"{RUN} --rows rows.jsonl"))
    assert (done.code, done.out) == (0, "")
    assert "there are no rows" in done.err
    done = composer(*shlex.split(f"{RUN} --rows rows.jsonl --out none.jsonl"))
    assert (done.code, "there are no rows" in done.err) == (0, True)


def test_one_seed_repeats_a_run_whole(composer, rows: Path) -> None:
    line = "run speaking.yaml --weights initial --seed 5"
    one = composer(*shlex.split(f"{line} question=hello"))
    assert one.code == 0, one.err
    assert one.out == composer(*shlex.split(f"{line} question=hello")).out
    assert (
        one.out != composer(*shlex.split("run speaking.yaml --weights initial --seed 6 question=hello")).out
    )
    assert composer(*shlex.split(f"{line} --rows rows.jsonl --out a.jsonl")).code == 1
    again = composer(*shlex.split(f"{line} --rows rows.jsonl --out a.jsonl"))
    assert "5 of them before" in again.out
    refused = composer(*shlex.split(f"{RUN} --seed 5 question=hello"))
    assert (refused.code, "takes no seed" in refused.err) == (1, True)


@pytest.mark.parametrize("out", ["", " --out answers.jsonl", " --out answers.csv"])
def test_answers_that_are_not_finite_are_null_and_told(composer, rows: Path, out: str) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file("weights.safetensors")
    for name in weights:
        if "norm" in name and name.endswith("weight"):
            weights[name] = weights[name] * 3e38
    save_file(weights, "weights.safetensors")
    done = composer(*shlex.split(f"{RUN} --rows rows.jsonl{out} --batch-size 2"))
    told = (
        "output `vector` is not finite in 4 rows, first in row 1: NaN and infinities are null in the answers"
    )
    assert f"composer: warning: {told}" in done.err.splitlines()
    assert "NaN" not in done.out
