"""Several machines without a common folder: every process has a folder of its own, and the first one alone writes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file

pytest.importorskip("accelerate")
pytestmark = pytest.mark.slow

TOLERANCE = 1e-6
DOCUMENT = """\
composer: 1
name: two
modules:
  seen: {uses: timm.backbone, freeze: true, with: {model: test_resnet.r160_in1k}, weights: {file: seen.pth}}
  head: {uses: core.linear, with: {output_dim: 2}}
tasks:
  sort:
    inputs: {photo: {modality: image, for: seen}}
    nodes:
      vector: {call: seen.pooled, inputs: photo}
      scores: {call: head.scores, inputs: vector}
      best: {uses: core.argmax, with: {names: [dark, light]}, inputs: scores}
    outputs: {class: best.name}
    objective:
      inputs: {truth: {modality: label, with: {names: [dark, light]}}}
      nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: truth}}}
      loss: cost.loss
    evaluation: {output: class, metrics: {accuracy: core.accuracy}}
"""


def write(folder: Path) -> Path:
    """A machine's folder: the document, weights whose values do not lie in the order of their rows, eight pictures."""
    folder.mkdir()
    torch.manual_seed(0)
    state = timm.create_model("test_resnet.r160_in1k", pretrained=False).state_dict()
    torch.save(
        {
            key: value.contiguous(memory_format=torch.channels_last) if value.ndim == 4 else value
            for key, value in state.items()
        },
        folder / "seen.pth",
    )
    for number in range(8):
        Image.new("RGB", (8, 8), (20 + 10 * number + 100 * (number % 2),) * 3).save(folder / f"{number}.png")
    rows = [f"{number}.png,{('dark', 'light')[number % 2]}\n" for number in range(8)]
    (folder / "rows.csv").write_text("photo,truth\n" + "".join(rows))
    (folder / "two.yaml").write_text(DOCUMENT)
    return folder


def start(*folders: Path, more: str = "") -> list[subprocess.Popen[str]]:
    """One process in each folder, all of one run."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    running = []
    for rank, folder in enumerate(folders):
        own = {"RANK": rank, "WORLD_SIZE": len(folders), "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
        environment = {**os.environ, **{name: str(value) for name, value in {**own, **meeting}.items()}}
        words = "two.yaml --data rows.csv --validation-share 0.25 --batch-size 4 --out runs/out"
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "composer", "train", *words.split(), *more.split()],
                env=environment,
                cwd=folder,
                text=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        )
    return running


def ends_of(running: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Their exit codes, and what they wrote as errors."""
    ends = [process.communicate(timeout=120)[1] for process in running]
    assert not any("Traceback" in told for told in ends), ends
    return [(process.returncode, told) for process, told in zip(running, ends, strict=True)]


def train(*folders: Path, more: str = "") -> list[tuple[int, str]]:
    return ends_of(start(*folders, more=more))


def record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs/out.json").read_text())
    return found


@pytest.mark.parametrize("more", ["", " --shard"], ids=["copies", "shards"])
def test_the_first_machine_has_what_one_process_makes_and_the_others_have_nothing(
    tmp_path: Path, more: str
) -> None:
    alone, first, second = (write(tmp_path / name) for name in ("alone", "first", "second"))
    assert [code for code, _ in train(alone, more="--epochs 2")] == [0]
    assert [code for code, _ in train(first, second, more="--epochs 2" + more)] == [0, 0]
    assert record(first)["scores"] == record(alone)["scores"]
    wanted, found = (load_file(folder / "runs/out.safetensors") for folder in (alone, first))
    for key, value in wanted.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=TOLERANCE)
    assert not list((second / "runs").iterdir())

    # It goes on where all see the same state, and says so where they do not.
    asked = "--epochs 3 --resume" + more
    for code, told in train(first, second, more=asked):
        assert code == 1
        assert "out.checkpoint is not the same for all processes" in told
    (second / "runs/out.checkpoint").write_bytes((first / "runs/out.checkpoint").read_bytes())
    assert [code for code, _ in train(first, second, more=asked)] == [0, 0]
    assert record(first)["scores"].keys() == record(alone)["scores"].keys()


def test_what_one_machine_has_otherwise_ends_all_in_one_sentence(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name) for name in ("first", "second"))
    text = (second / "two.yaml").read_text()
    (second / "two.yaml").write_text(text.replace("[dark, light]", "[light, dark]"))
    ends = train(first, second)
    assert [code for code, _ in ends] == [1, 1]
    assert "process 2 of 2: this process has another document than process 1" in ends[0][1]

    (second / "two.yaml").write_text(text)
    (second / "rows.csv").write_text((second / "rows.csv").read_text().replace("7.png,light\n", ""))
    for code, told in train(first, second):
        assert code == 1
        assert "this process has other data than process 1" in told

    (second / "rows.csv").unlink()
    for code, told in train(first, second):
        assert code == 1
        assert "rows.csv" in told
    assert not list(tmp_path.glob("*/runs/out*"))


def test_a_machine_that_is_lost_ends_the_others_in_one_sentence(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name) for name in ("first", "second"))
    running = start(first, second, more="--epochs 4000")
    metrics = first / "runs/out.metrics.jsonl"
    while not metrics.exists() or metrics.read_text().count("grad_norm") < 4:
        assert running[0].poll() is None, running[0].communicate()
        time.sleep(0.02)
    running[1].kill()
    (code, told), _ = ends_of(running)
    assert code == 1
    assert told.count("composer: error:") == 1
    assert "another process of this run has ended" in told
    assert (first / "runs/out.checkpoint").is_file()
