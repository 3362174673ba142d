"""Two processes that share every batch (over gloo, on the processor) are one process with the whole batch, whether each
has all weights or its part of them.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

pytest.importorskip("accelerate")
pytestmark = pytest.mark.slow

TOLERANCE = 1e-6
"""Of losses near one and weights below it: two halves of a batch are added in another order."""
DOCUMENT = """\
composer: 1
name: two
extends: points.yaml
modules:
  body: {uses: core.linear, with: {input_dim: 4, output_dim: 4}}
  other: {uses: core.linear, with: {input_dim: 4, output_dim: 2}}
tasks:
  sort:
    nodes:
      kept: {call: body, inputs: x}
      vector: {inputs: kept}
  again:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, 5, 4]}}}
    nodes:
      vector: {uses: core.pool, inputs: x}
      scores: {call: other.scores, inputs: vector}
    outputs: {scores: scores}
    objective:
      inputs: {truth: {modality: array, with: {kind: classes, dims: [B]}}}
      nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: truth}}}
      loss: cost.loss
"""
RECIPE = """\
epochs: 4
learning_rate: 1e-2
accumulate: 2
ema: 0.9
save_every: 1 step
validation: {every: 2 steps, loss: true, best: sort.loss}
tasks:
  sort:
    {dataset: tiny.points, with: {count: 15}, batch: 4, output: scores, reference: truth, metrics: {a: tiny.accuracy}}
  again: {dataset: tiny.points, with: {count: 9}, batch: 2, output: scores, reference: truth, metrics: {}}
"""
"""The last batches have three samples and one, so that a process has fewer than the other, or none."""


def run(*words: str, start: list[str] | None = None, asked: list[str] | None = None) -> subprocess.Popen[str]:
    """A run in processes of their own, which see the plugins of this one."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        *(start or ["-m", "composer"]),
        "train",
        *(asked or ["two.yaml", "--recipe", "two.recipe.yaml"]),
    ]
    return subprocess.Popen(
        [*command, *words], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def done(*words: str, code: int = 0, start: list[str] | None = None) -> str:
    process = run(*words, start=start)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    return errors


def write(points: Path, recipe: str = RECIPE) -> None:
    (points / "two.yaml").write_text(DOCUMENT)
    (points / "two.recipe.yaml").write_text(recipe)


def steps(name: str) -> list[dict[str, Any]]:
    lines = map(json.loads, Path(f"{name}.metrics.jsonl").read_text().splitlines())
    return [line for line in lines if "loss" in line]


def assert_same(first: str, second: str) -> None:
    for ending in (".safetensors", ".best.safetensors"):
        left, right = load_file(first + ending), load_file(second + ending)
        assert left.keys() == right.keys()
        for key, value in left.items():
            torch.testing.assert_close(value, right[key], rtol=0, atol=TOLERANCE)
    assert [line["loss"] for line in steps(first)] == pytest.approx(
        [line["loss"] for line in steps(second)], abs=TOLERANCE
    )


@pytest.mark.parametrize("shard", [[], ["--shard"]], ids=["copies", "shards"])
def test_two_processes_are_one_and_a_state_goes_on_in_any_number(points: Path, shard: list[str]) -> None:
    write(points)
    done("--out", "one")
    told = done("--out", "two", "--processes", "2", *shard)
    assert told.count("wrote two.safetensors") == 1
    assert_same("one", "two")
    assert json.loads(Path("two.json").read_text())["scores"].keys() == {"validation", "test"}
    # two of four epochs in two processes, the rest in one, and the other way round
    two, three = ["--processes", "2", *shard], ["--processes", "3", *shard]
    for name, before, after in (("mixed", two, []), ("turned", [], three)):
        stopped = run("--out", name, *before)
        wait_for(stopped, Path(f"{name}.metrics.jsonl"), 6)
        stopped.send_signal(signal.SIGTERM)
        stopped.communicate(timeout=120)
        assert stopped.returncode == 143
        assert 6 <= len(steps(name)) < len(steps("one")), "it was stopped on the way"
        done("--out", name, "--resume", *after)
        assert_same("one", name)


VALIDATED = """\
epochs: 1
learning_rate: 1e-2
validation: {every: 1 epoch, best: sort.a}
tasks:
  sort:
    dataset: tiny.points
    with: {held_out: 41, fault: noted, split: validation}
    batch: 4
    output: scores
    reference: truth
    metrics: {a: tiny.accuracy}
"""


def test_each_process_answers_its_share_and_the_scores_are_those_of_one(points: Path) -> None:
    write(points, VALIDATED)
    found = []
    for count in (1, 2):
        done("--out", "out", "--processes", str(count))
        record = json.loads(Path("out.json").read_text())
        found.append([record[key] for key in ("validations", "scores", "intervals")])
        asked = [set(map(int, path.read_text().split())) for path in points.glob("asked.*")]
        for path in points.glob("asked.*"):
            path.unlink()
    # Both try eight samples before the first step; then each answers its half, on the way and in the end.
    assert sorted(asked, key=len) == [{*range(20)}, {*range(8), *range(20, 41)}]
    assert found[0] == found[1]
    assert found[0][1]["validation"]["sort"]["samples"] == 41


@pytest.mark.parametrize(
    ("metric", "fault", "said"),
    [("tiny.late", "", "too late"), ("tiny.accuracy", "lazy that breaks", "sample 40")],
    ids=["the metric", "a sample of the second process"],
)
def test_what_fails_in_a_validation_is_told_once_and_ends_all(
    points: Path, metric: str, fault: str, said: str
) -> None:
    recipe = VALIDATED.replace("epochs: 1", "epochs: 2").replace("tiny.accuracy", metric)
    write(points, recipe.replace("noted", f"'{fault}'"))
    told = done("--out", "made/two", "--processes", "2", code=1)
    assert told.count("composer: error:") == 1
    assert said in told


LEARNED_NUMBER = """\
composer: 1
name: two
modules:
  body: {uses: core.linear, with: {input_dim: 4, output_dim: 4}}
  pairs: {uses: core.contrastive}
tasks:
  match:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, 5, 4]}}}
    nodes:
      turned: {call: body, inputs: x}
      first: {uses: core.pool, inputs: x}
      second: {uses: core.pool, inputs: turned}
    outputs: {vector: second}
    objective:
      nodes: {cost: {call: pairs, inputs: {first: first, second: second}}}
      loss: cost.loss
"""
"""The temperature is one number: no process can have a part of it."""


def test_weights_that_cannot_be_split_are_averaged(points: Path) -> None:
    recipe = (
        RECIPE[: RECIPE.index("validation")]
        + "clip: 0.5\ntasks: {match: {dataset: tiny.points, batch: 4, metrics: {}}}\n"
    )
    write(points, recipe)
    (points / "two.yaml").write_text(LEARNED_NUMBER)
    for name, more in (("copies", []), ("shards", ["--shard"])):
        done("--out", name, "--processes", "2", *more)
    copies, shards = load_file("copies.safetensors"), load_file("shards.safetensors")
    assert copies["pairs.log_scale"] != pytest.approx(math.log(1 / 0.07), abs=1e-3), "it learned"
    for key, value in copies.items():
        torch.testing.assert_close(value, shards[key], rtol=0, atol=TOLERANCE)


def test_a_process_without_a_row_puts_none_into_a_queue(points: Path) -> None:
    recipe = (
        "epochs: 1\nlearning_rate: 1e-12\n"
        "tasks: {match: {dataset: tiny.points, with: {count: 9}, batch: 4, metrics: {}}}\n"
    )
    write(points, recipe)
    (points / "two.yaml").write_text(
        LEARNED_NUMBER.replace("core.contrastive}", "core.contrastive, with: {queue: 7, width: 4}}")
    )
    for count in ("1", "2"):
        done("--out", f"out{count}", "--processes", count)
    one, two = load_file("out1.safetensors"), load_file("out2.safetensors")
    assert one["pairs.next"] == 9 % 7
    for key, value in one.items():
        torch.testing.assert_close(value, two[key], rtol=0, atol=TOLERANCE)


def test_adapters_of_frozen_modules_are_split_too(points: Path) -> None:
    frozen = (
        "{input_dim: 4, output_dim: 4}, freeze: true, adapters: {own: {with: {rank: 2, targets: [map]}}}}"
    )
    text = DOCUMENT.replace("{input_dim: 4, output_dim: 4}}", frozen)
    write(points, RECIPE.replace("epochs: 4", "epochs: 1"))
    (points / "two.yaml").write_text(text.replace("call: body,", "call: body, adapter: own,"))
    done("--out", "one")
    done("--out", "two", "--processes", "2", "--shard")
    assert_same("one", "two")
    assert "body+own.map.lora_A.weight" in load_file("two.safetensors")


TORCHRUN = "torch.distributed.run --standalone --nproc-per-node 2"
LATE = """\
import sys
from composer.cli import main
from composer.data import looking_through
looking_through.MOST_FILES = 1  # the files of all rows but the first are decoded when their turn comes
sys.exit(main())
"""
SEEN = """\
composer: 1
name: two
modules:
  head: {uses: core.linear, with: {input_dim: 48, output_dim: 2}}
  seen: {uses: mplug2.vision_encoder, with: {image_size: 8, patch_size: 4, width: 48, heads: 1, layers: 1}}
tasks:
  sort:
    inputs: {photo: {modality: image, with: {size: 8}}}
    nodes:
      states: {call: seen.image, inputs: {pixels: photo.pixels}}
      vector: {uses: core.pool, inputs: states}
      scores: {call: head.scores, inputs: vector}
    outputs: {scores: scores}
    objective:
      inputs: {truth: {modality: label, with: {count: 2}}}
      nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: truth}}}
      loss: cost.loss
"""


def test_rows_that_are_left_out_on_the_way_leave_the_result_of_one_process(points: Path) -> None:
    """Alone in its part of a batch, too, and as if the data had never had it."""
    Path("late.py").write_text(LATE)
    rows = [{"photo": f"{n}.png", "truth": n % 2} for n in range(6)]
    for n in range(6):
        noise = np.random.default_rng(n).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).save(f"{n}.png")
    Path("3.png").write_bytes(b"no picture")
    for name, kept in (("six", rows), ("five", [*rows[:3], *rows[4:]])):
        Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
    write(points)
    (points / "two.yaml").write_text(SEEN)
    asked = "two.yaml --validation-share 0 --bad-rows skip --data"
    two = ["-m", *TORCHRUN.split()]
    found = {}
    for name, start, more in (
        ("one", [], "six.jsonl --epochs 3 --batch-size 2"),
        ("two", two, "six.jsonl --epochs 3 --batch-size 2"),
        ("whole", two, "six.jsonl --epochs 3 --batch-size 6"),
        ("five", [], "five.jsonl --epochs 3 --batch-size 5"),
    ):
        process = run("--out", name, start=[*start, "late.py"], asked=f"{asked} {more}".split())
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        left_out = json.loads(Path(f"{name}.json").read_text())["data"]["sort"]["left_out"]
        assert (left_out["rows"], errors.count("left out on the way")) == (
            (0, 0) if name == "five" else (1, 1)
        )
        found[name] = [line["loss"] for line in steps(name)]
    assert found["two"] == pytest.approx(found["one"], abs=TOLERANCE)
    assert found["whole"] == pytest.approx(found["five"], abs=TOLERANCE)


def wait_for(process: subprocess.Popen[str], path: Path, lines: int) -> None:
    for _ in range(6000):
        if path.exists() and path.read_text().count("grad_norm") >= lines:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("the run does not go on")


SLOW_LOCKS = """\
import fcntl, time
lock = fcntl.flock
fcntl.flock = lambda file, how: (lock(file, how), time.sleep(0.5))
"""


def test_one_process_alone_asks_whether_another_run_writes(
    points: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To ask is to hold the file for a moment, in which another process of this run would be told of itself."""
    write(points)
    done("--out", "out", "--epochs", "1")
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow/sitecustomize.py").write_text(SLOW_LOCKS)
    monkeypatch.syspath_prepend(tmp_path / "slow")
    done("--out", "out", "--epochs", "2", "--resume", "--processes", "2")


def test_processes_end_with_their_launcher_however_that_ends(points: Path) -> None:
    write(points, RECIPE.replace("epochs: 4", "epochs: 4000"))
    launcher = run("--out", "left", "--processes", "2")
    wait_for(launcher, Path("left.metrics.jsonl"), 2)
    launcher.kill()
    # Its own ends of the pipes are closed once the last process that writes into them is gone.
    launcher.communicate(timeout=60)


ACCELERATE = (
    "accelerate.commands.launch --cpu --num_processes 2 --num_machines 1 --mixed_precision no "
    "--dynamo_backend no"
)


@pytest.mark.parametrize(
    ("launch", "given"),
    [
        (TORCHRUN, {}),
        (ACCELERATE, {}),
        # what `accelerate launch --use_fsdp` sets; itself it wants GPUs for that
        (TORCHRUN, {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}),
    ],
    ids=["torchrun", "accelerate", "accelerate with FSDP"],
)
def test_other_launchers_start_it(
    points: Path, monkeypatch: pytest.MonkeyPatch, launch: str, given: dict[str, str]
) -> None:
    write(points, RECIPE.replace("epochs: 4", "epochs: 1"))
    done("--out", "one")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    process = run("--out", "two", start=["-m", *launch.split(), "-m", "composer"])
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert_same("one", "two")


@pytest.mark.parametrize(
    ("given", "shard", "message"),
    [
        ({"WORLD_SIZE": "2", "ACCELERATE_USE_DEEPSPEED": "true"}, False, "DeepSpeed is not there"),
        ({"WORLD_SIZE": "2", "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1"}, False, "--fsdp_version 2"),
        ({"WORLD_SIZE": "1"}, True, "--processes N"),
    ],
)
def test_what_processes_cannot_do_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], shard: bool, message: str
) -> None:
    from composer.problems import InputError
    from composer.training.processes import processes_of

    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        processes_of("cpu", shard=shard)


def test_a_failure_of_all_is_told_once_and_ends_all(points: Path) -> None:
    write(points, RECIPE.replace("learning_rate: 1e-2", "learning_rate: 1e39"))
    told = done("--out", "two", "--processes", "2", code=1)
    assert told.count("composer: error:") == 1
    assert not Path("two.checkpoint").exists()
    write(points, RECIPE.replace("tiny.points,", "tiny.pints,"))
    told = done("--out", "two", "--processes", "2", code=1)
    assert told.count("2 errors in 1 file") == 1
