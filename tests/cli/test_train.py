"""`composer train` and recipes at the command line: what it writes, how it ends, what it says on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_data


@pytest.fixture
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return tiny_data.install(tmp_path, monkeypatch)


def edit(name: str, right: str, wrong: str) -> None:
    path = Path(name)
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))


TRAIN = ("train", "points.yaml", "--recipe", "recipe.yaml", "--out", "new/run")


def test_a_run_makes_its_folder_and_tells_its_epochs_in_plain_lines(composer, points: Path) -> None:
    done = composer(*TRAIN)
    assert (done.code, done.out) == (0, "")
    lines = done.err.splitlines()
    assert lines[0] == "points: 10 parameters, tasks sort"
    assert [line.partition("  ")[0] for line in lines[1:4]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert "left" in lines[1]
    assert lines[-1] == "wrote new/run.safetensors and new/run.json"
    names = {"run.safetensors", "run.json", "run.checkpoint", "run.metrics.jsonl", "run.curves.svg"}
    assert {path.name for path in Path("new").iterdir()} == names
    record = json.loads(Path("new/run.json").read_text())
    assert record["recipe"]["epochs"] == 3
    assert record["scores"]["test"]["sort"]["samples"] == 4


def test_a_finished_run_is_extended(composer, points: Path) -> None:
    composer(*TRAIN)
    done = composer(*TRAIN, "--resume", "--epochs", "5")
    assert done.code == 0
    assert [line[:9] for line in done.err.splitlines() if line.startswith("epoch")] == [
        "epoch 4/5",
        "epoch 5/5",
    ]
    assert len(json.loads(Path("new/run.json").read_text())["curve"]) == 5


@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [
        ("recipe.yaml", "batch: 4", "batch: 8", "another recipe (tasks.sort.batch was 4 and is 8)"),
        (
            "recipe.yaml",
            "batch: 4",
            "batch: 4\n    with: {count: 32}",
            "another recipe (tasks.sort.with.count",
        ),
        ("points.yaml", "output_dim: 2", "output_dim: 3", "another document"),
        ("points.yaml", "core.class_loss,", "tiny.loss,", "another document"),
    ],
)
def test_a_run_is_resumed_with_what_it_was_made_with(
    composer, points: Path, file: str, right: str, wrong: str, said: str
) -> None:
    composer(*TRAIN)
    before = {path.name: path.read_bytes() for path in Path("new").iterdir()}
    edit(file, right, wrong)
    done = composer(*TRAIN, "--resume")
    assert done.code == 1
    assert said in done.err
    assert done.err.count("composer: error:") == 1
    assert {path.name: path.read_bytes() for path in Path("new").iterdir()} == before


def test_a_gradient_that_is_not_finite_keeps_the_run_of_before(composer, points: Path) -> None:
    composer(*TRAIN)
    before = {path.name: path.read_bytes() for path in Path("new").iterdir()}
    edit("points.yaml", "core.class_loss,", "tiny.loss, with: {how: nan gradient},")
    done = composer(*TRAIN, "--epochs", "1")
    assert done.code == 1
    error = done.err.splitlines()[-1]
    assert error.startswith("composer: error: the gradient of task `sort` is not finite in epoch 1, step 1")
    assert "`head." in error
    assert {path.name: path.read_bytes() for path in Path("new").iterdir()} == before


def test_a_module_that_ties_its_parameters_trains(composer, points: Path) -> None:
    edit("points.yaml", "modules:\n", "modules:\n  tied: {uses: tiny.tied}\n")
    edit("points.yaml", "vector: {uses: core.pool, inputs: x}", "same: {call: tied, inputs: x}\n      vector: {uses: core.pool, inputs: same}")  # fmt: skip  # noqa: E501
    done = composer(*TRAIN)
    assert done.code == 0, done.err
    assert (
        composer("train", "points.yaml", "--recipe", "recipe.yaml", "--out", "new/run", "--resume").code == 0
    )


def test_scores_that_fail_leave_the_trained_weights(composer, points: Path) -> None:
    edit("recipe.yaml", "tiny.accuracy", "tiny.late")
    done = composer(*TRAIN)
    assert done.code == 1
    assert "metric `tiny.late`" in done.err
    assert "raises RuntimeError: too late" in done.err
    assert "stored in new/run.safetensors" in done.err
    assert json.loads(Path("new/run.json").read_text())["scores"] == {}
    assert Path("new/run.safetensors").exists()


def test_a_score_that_is_not_a_number_is_null_in_the_record(composer, points: Path) -> None:
    edit("recipe.yaml", "tiny.accuracy", "tiny.nan")
    assert composer(*TRAIN).code == 0
    assert json.loads(Path("new/run.json").read_text())["scores"]["test"]["sort"]["accuracy"] is None


def test_check_tries_everything_and_writes_nothing(composer, points: Path) -> None:
    done = composer(*TRAIN, "--check")
    assert (done.code, done.out) == (0, "sort: 16 samples, 4 batches an epoch\npoints: 3 epochs can begin\n")
    assert sorted(path.name for path in Path().iterdir()) == ["points.yaml", "recipe.yaml"]
    edit("recipe.yaml", "reference: truth", "reference: trth")
    done = composer(*TRAIN, "--check")
    assert done.code == 1
    assert "error[C406]" in done.err
    assert "recipe.yaml:8:16" in done.err
    assert "did you mean `truth`?" in done.err


def test_check_knows_a_recipe(composer, points: Path) -> None:
    assert composer("check", "recipe.yaml").out == "recipe.yaml: no problems\n"
    edit("recipe.yaml", "epochs: 3", "document: points.yaml\nepochs: 0")
    edit("recipe.yaml", "output: scores", "output: score")
    done = composer("check", "recipe.yaml", "points.yaml", "--format", "json")
    assert done.code == 1
    found = [(p["code"], p["place"]["line"]) for p in json.loads(done.out)]
    assert found == [("C102", 2), ("C404", 8)]
    text = Path("recipe.yaml").read_text()
    composer("check", "--fix", "recipe.yaml")
    assert Path("recipe.yaml").read_text() == text  # a recipe is not mended as if it were a document


def run_apart(code: str) -> subprocess.CompletedProcess[str]:
    """Train in a process of its own, which sees the plugins of this one."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    source = f"import sys\n{code}\nfrom composer.cli import main\nsys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", source, *TRAIN], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_a_run_that_is_ended_while_it_writes_leaves_the_last_whole_state(
    composer, points: Path, number: signal.Signals
) -> None:
    whole = composer("train", "points.yaml", "--recipe", "recipe.yaml", "--out", "whole/run")
    assert whole.code == 0
    done = run_apart(
        "import os, composer.files as files\n"
        "synced, calls = os.fsync, []\n"
        "def fsync(file):\n"
        "    calls.append(file)\n"
        f"    os.kill(os.getpid(), {int(number)}) if len(calls) == 4 else synced(file)\n"
        "files.os.fsync = fsync\n"
    )
    assert done.returncode == (-9 if number == signal.SIGKILL else 143), done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("new/run.safetensors").exists()
    assert composer(*TRAIN, "--resume").code == 0
    assert sorted(path.name for path in Path("new").iterdir()) == [
        "run.checkpoint",
        "run.curves.svg",
        "run.json",
        "run.metrics.jsonl",
        "run.safetensors",
    ]
    assert Path("new/run.safetensors").read_bytes() == Path("whole/run.safetensors").read_bytes()


def test_a_second_run_of_one_name_is_refused_while_the_first_goes_on(composer, points: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(
        [sys.executable, "-m", "composer", *TRAIN, "--epochs", "100000"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    metrics = Path("new/run.metrics.jsonl")
    try:
        while not metrics.exists() or metrics.read_text().count("epoch_losses") < 2:
            assert first.poll() is None
            time.sleep(0.02)
        for more in ((), ("--resume", "--epochs", "100000")):
            done = composer(*TRAIN, *more)
            assert done.code == 1
            assert "new/run.metrics.jsonl is being written by another process" in done.err
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()
    assert composer(*TRAIN).code == 0


def test_threads_of_torch_sleep_while_they_wait(
    composer, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    composer(*TRAIN, "--check")
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"  # who sets it knows why
    monkeypatch.delenv("OMP_WAIT_POLICY")
    composer(*TRAIN, "--check")
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_an_interrupted_run_says_how_it_goes_on(
    composer, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from composer.training.display import Display

    def stop(display: Display, result: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Display, "epoch", stop)
    done = composer(*TRAIN[:-1], "new/run.safetensors")
    assert done.code == 130
    assert done.err.splitlines()[-2:] == [
        "the run is stored: go on with --resume",
        "composer: interrupted",
    ]


START = ("train", "points.yaml", "--recipe", "recipe.yaml", "--out", "tuned")


def test_a_run_can_begin_with_trained_weights(composer, points: Path) -> None:
    composer(*TRAIN)
    done = composer(*START, "--weights", "new/run.safetensors", "--epochs", "1")
    assert done.code == 0, done.err
    assert "begins with the weights of new/run.safetensors" in done.err
    before = json.loads(Path("new/run.json").read_text())["curve"]
    record = json.loads(Path("tuned.json").read_text())
    assert record["began_with"]["file"] == "run.safetensors"
    assert record["curve"][0]["losses"]["sort"] < before[0]["losses"]["sort"]
    again = composer(*START, "--weights", "new/run.safetensors", "--epochs", "2", "--resume")
    assert again.code == 0, again.err


def test_modules_that_are_named_begin_with_fresh_weights(composer, points: Path) -> None:
    composer(*TRAIN)
    weights = ("--weights", "new/run.safetensors")
    edit("points.yaml", "modules:\n", "modules:\n  scale: {uses: core.layer_norm, with: {dim: 4}}\n")
    edit("points.yaml", "vector: {uses: core.pool, inputs: x}", "same: {call: scale, inputs: x}\n      vector: {uses: core.pool, inputs: same}")  # fmt: skip  # noqa: E501
    lacking = composer(*START, *weights, "--check")
    assert lacking.code == 1
    assert "--init scale" in lacking.err
    done = composer(*START, *weights, "--init", "scale", "--loading-report", "--check")
    assert done.code == 0, done.err
    assert "scale" in done.err
    assert composer(*START, *weights, "--init", "scale").code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--init", "head"], "name the checkpoint to begin with by --weights"),
        (["--root", "ema"], "name the checkpoint to begin with by --weights"),
        (["--weights", "none.safetensors"], "there is no such file"),
        (["--weights", "initial", "--root", "ema"], "reads none"),
        (["--check", "--out", "points.yaml/run"], "is not a folder; name another place with --out"),
    ],
)
def test_a_beginning_that_does_not_do_is_told_before_the_first_step(
    composer, points: Path, options: list[str], said: str
) -> None:
    done = composer(*START, *options)
    assert done.code == 1
    assert said in done.err
    assert not list(Path().glob("tuned*"))
