"""`composer evaluate`: what it prints, exit codes, options that do not go together, a process that is killed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from composer.weights import save_weights

DOCUMENT = """\
composer: 1
name: sorting
modules: {head: {uses: core.linear, with: {input_dim: 4, output_dim: 3}}}
tasks:
  sort:
    inputs: {vector: {modality: array, with: {kind: embedding, dims: [B, 4]}}}
    nodes: {scores: {call: head.scores, inputs: vector}}
    outputs: {scores: scores}
"""
RUN = "evaluate sorting.yaml --weights weights.safetensors --data rows.jsonl"


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four rows, of which the third has a vector that is too short."""
    from composer import load

    monkeypatch.chdir(tmp_path)
    Path("sorting.yaml").write_text(DOCUMENT)
    save_weights(load("sorting.yaml", weights="initial").modules, Path("weights.safetensors"))
    vectors = [[1, 0, 0, 0], [0, 1, 0, 0], [1], [0, 0, 1, 0]]
    path = Path("rows.jsonl")
    path.write_text(
        "".join(
            json.dumps({"id": f"v{n}", "vector": v, "truth": n % 3}) + "\n" for n, v in enumerate(vectors)
        )
    )
    return path


def test_the_table_and_the_exit_code_tell_what_failed(composer, rows: Path) -> None:
    done = composer(*shlex.split(f"{RUN} --reference truth --out out --worst 1"))
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0] == "sorting.yaml:sort on rows.jsonl: 3 samples scored, 1 failed"
    assert lines[2].split() == ["score", "value", "95", "%", "interval", "by", "metric"]
    assert lines[3].split()[0] == "accuracy"
    assert lines[-1] == "wrote out/predictions.jsonl and out/report.json"
    assert "row 3:" in done.err
    told = json.loads(composer(*shlex.split(f"{RUN} --reference truth --out out --json")).out)
    assert (told["samples"], told["failed"], told["data"]["rows"]) == (3, 1, 4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "name what is evaluated"),
        ("--against a", "name what is evaluated"),
        ("--against a b --data rows.jsonl", "--data belongs to DOC:TASK"),
        ("sorting.yaml", "name the data with --data"),
        ("sorting.yaml --data rows.jsonl --against a b", "--against takes one evaluation beside DOC:TASK"),
        ("sorting.yaml --data rows.jsonl --against a", "give --out too"),
        ("sorting.yaml --data rows.jsonl --out o --overwrite --resume", "give one of them"),
        ("sorting.yaml --data rows.jsonl --retry", "--retry belongs to --out"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    composer, rows: Path, options: str, said: str
) -> None:
    done = composer(*shlex.split(f"evaluate {options}"))
    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (f"{RUN}", "nothing says what output `scores` of task `sort` is compared with: name the column"),
        (f"{RUN} --reference trth", "rows.jsonl has no column `trth`; did you mean `truth`?"),
        (
            f"{RUN} --reference truth --metric core.f2",
            "there is no metric `core.f2`; did you mean `core.f1`?",
        ),
        (f"{RUN} --reference truth --metric core.f1,average=mean", "metric `core.f1` refuses `average`"),
        (f"{RUN} --reference truth --metric core.vqa", "there is no metric `core.vqa`"),
        (f"{RUN} --reference truth --split test", "by --split-by COLUMN"),
        ("evaluate sorting.yaml:srt --data rows.jsonl", "no task `srt`"),
        ("evaluate sorting.yaml --data rows.json --reference truth", "registered datasets: "),
        ("evaluate sorting.yaml --data easy-vqa.questions --with pictres=3", "refuses `pictres`"),
        (
            "evaluate sorting.yaml --data easy-vqa.questions --with pictures=2 --split tst",
            "has no split `tst`",
        ),
        ("evaluate --against nothing out", "does not exist: name the folder of an evaluation"),
    ],
)
def test_wrong_use_is_one_error_and_writes_nothing(composer, rows: Path, options: str, said: str) -> None:
    before = sorted(Path().iterdir())
    if "easy-vqa" in options:
        pytest.importorskip("easy_vqa", reason="needs multimodal-composer[train]")
    if "--against" in options:
        Path("out").mkdir()
        before.append(Path("out"))
    weights = "" if "--weights" in options or "--against" in options else " --weights initial"
    done = composer(*shlex.split(f"{options}{weights}"))
    assert done.code == 1
    assert said in done.err
    assert "Traceback" not in done.err
    assert sorted(Path().iterdir()) == sorted(before)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--metric core.f1,average", "--metric core.f1,average: 'average' is not of the form OPTION=VALUE"),
        ("--rerank match,tpo=3", "--rerank has no option `tpo`; did you mean `top`?"),
        ("--rerank match,top=x", "--rerank match,top=x: top: "),
    ],
)
def test_an_option_that_is_not_of_its_form_is_wrong_usage(
    composer, rows: Path, options: str, said: str
) -> None:
    done = composer(*shlex.split(f"{RUN} --reference truth {options}"))
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_two_runs_are_compared_in_one_sentence(composer, rows: Path) -> None:
    for out in ("a", "b"):
        composer(*shlex.split(f"{RUN} --reference truth --out {out}"))
    done = composer("evaluate", "--against", "a", "b")
    assert done.code == 0
    assert done.out.startswith("accuracy: it cannot be told which is better, a or b: ")
    assert done.out.splitlines()[1] == "1 sample that one of them has not answered left out"
    beside = composer(*shlex.split(f"{RUN} --reference truth --out b --against a --json"))
    assert json.loads(beside.out)["against"]["left_out"] == 1


PICTURES = """\
composer: 1
name: folders
modules:
  head: {uses: core.linear, with: {output_dim: 2}}
  eye: {uses: mplug2.vision_encoder, with: {image_size: 16, patch_size: 16, width: 32, layers: 1, heads: 2}}
tasks:
  sort:
    inputs: {picture: {modality: image, with: {size: 16}}}
    nodes:
      seen: {call: eye.image, inputs: {pixels: picture.pixels}}
      vector: {uses: core.pool, inputs: seen}
      scores: {call: head.scores, inputs: vector}
    outputs: {scores: scores}
    objective:
      inputs: {kind: {modality: label, with: {names: [dark, light]}}}
      nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: kind}}}
      loss: cost.loss
"""


def test_a_folder_of_classes_is_scored_as_it_lies(composer, rows: Path) -> None:
    from PIL import Image

    Path("folders.yaml").write_text(PICTURES)
    for split in ("train", "test"):
        for number, name in enumerate(("dark", "light", "light")):
            place = Path("pictures", split, name)
            place.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, 20), (90 * number,) * 3).save(place / f"{number}.png")
    done = composer(*shlex.split("evaluate folders.yaml --weights initial --data pictures --json --out out"))
    told = json.loads(done.out)
    assert (told["samples"], told["failed"]) == (3, 0)
    lines = [json.loads(line) for line in Path("out/predictions.jsonl").read_text().splitlines()]
    best = [("dark", "light")[dark < light] for dark, light in (each["prediction"] for each in lines)]
    right = sum(name == each["reference"] for name, each in zip(best, lines, strict=True))
    assert told["scores"]["accuracy"]["value"] == pytest.approx(right / 3)
    assert [each["reference"] for each in lines] == ["dark", "light", "light"]
    other = composer(*shlex.split("evaluate folders.yaml --weights initial --data pictures --split tset"))
    assert other.code == 1
    assert "has no split `tset`; did you mean `test`?" in other.err


# Slow: starts the program several times.
@pytest.mark.slow
def test_a_process_that_is_killed_goes_on_where_it_was(rows: Path) -> None:
    Path("rows.jsonl").write_text(
        "".join(
            json.dumps({"id": n, "vector": [n % 5, 1, n % 3, 0], "truth": n % 3}) + "\n" for n in range(4000)
        )
    )
    command = [
        sys.executable,
        "-m",
        "composer",
        *shlex.split(f"{RUN} --reference truth --batch-size 1 --out"),
    ]
    subprocess.run([*command, "whole"], check=True, capture_output=True)
    while True:
        process = subprocess.Popen([*command, "parts"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        answers = Path("parts/answers.jsonl")
        begun = answers.stat().st_size if answers.exists() else 0
        while process.poll() is None and (answers.stat().st_size if answers.exists() else 0) < begun + 60_000:
            time.sleep(0.01)
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not Path("parts/report.json").exists()
    assert begun > 0
    for name in ("predictions.jsonl", "answers.jsonl"):
        assert Path("whole", name).read_bytes() == Path("parts", name).read_bytes()


CLASSES = """\
composer: 1
name: pictures
modules: {head: {uses: core.linear, with: {input_dim: 192, output_dim: 2}}}
tasks:
  sort:
    inputs: {picture: {modality: array, with: {kind: embedding, dims: [B, 192]}}}
    nodes: {scores: {call: head.scores, inputs: picture}}
    outputs: {scores: scores}
    objective:
      inputs: {kind: {modality: label, with: {names: [dark, light]}}}
      nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: kind}}}
      loss: cost.loss
"""


def test_references_may_name_classes_as_the_data_do_or_number_them(composer, rows: Path) -> None:
    """The one class has every score, so the share is that of its rows, live and compiled."""
    import torch

    from composer import load

    Path("pictures.yaml").write_text(CLASSES)
    model = load("pictures.yaml", weights="initial")
    bias = dict(model.modules["head"].named_parameters())["map.bias"]
    for parameter in model.modules["head"].parameters():
        parameter.data.zero_()
    bias.data[:] = torch.tensor([0.0, 1.0])
    save_weights(model.modules, Path("light.safetensors"))
    for name, kinds in (("named", ["light", "dark", "light", "light"]), ("numbered", [1, 0, 1, 1])):
        told = [json.dumps({"picture": [0.5] * 192, "kind": kind}) for kind in kinds]
        Path(f"{name}.jsonl").write_text("\n".join(told) + "\n")
    run = "evaluate pictures.yaml --weights light.safetensors --json --data"
    for name in ("named", "numbered"):
        report = json.loads(composer(*shlex.split(f"{run} {name}.jsonl")).out)
        assert report["scores"]["accuracy"]["value"] == 0.75
        assert report["evaluation"]["reference"] == "kind"
    composer(*shlex.split("compile pictures.yaml --weights light.safetensors --out made"))
    report = json.loads(composer("evaluate", "made", "--data", "named.jsonl", "--json").out)
    assert report["scores"]["accuracy"]["value"] == 0.75
    wrong = Path("named.jsonl").read_text().replace("dark", "drak")
    Path("wrong.jsonl").write_text(wrong)
    done = composer(*shlex.split(f"{run} wrong.jsonl"))
    assert done.code == 1
    assert json.loads(done.out)["failed"] == 1
    done = composer(*shlex.split(f"{run} wrong.jsonl".replace("--json", "")))
    assert "failed:\n  row 2: 'drak' in its column `kind` is not one of the 2 classes" in done.out


def test_the_column_of_splits_is_named(composer, rows: Path) -> None:
    """Also where only the rows of a JSON file say their columns; what says the split is not told as unread."""
    text = Path("rows.jsonl").read_text().splitlines()
    marked = [{**json.loads(line), "part": "test" if n % 2 else "train"} for n, line in enumerate(text)]
    Path("marked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in marked))
    command = shlex.split(RUN.replace("rows.jsonl", "marked.jsonl") + " --reference truth")
    done = composer(*command, "--split-by", "prt")
    assert (done.code, done.out) == (1, "")
    assert "marked.jsonl has no column `prt`; did you mean `part`?" in done.err
    assert "--split-by (split_by) names the column that says the split of a row" in done.err
    done = composer(*command, "--split-by", "part", "--split", "valid")
    assert "no row of marked.jsonl has `valid` in its column `part`, but train, test" in done.err
    done = composer(*command, "--split-by", "part")
    assert done.code == 0, done.err
    assert "nothing reads" not in done.err
