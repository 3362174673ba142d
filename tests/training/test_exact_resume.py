"""A run that was stopped at any moment, in any way, goes on and ends as one that never stopped, bit for bit."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lines import TASK, Line, Points, data, recipe
from safetensors.torch import load_file
from tiny_data import DOCUMENT
from torch import Tensor
from torch.utils._pytree import tree_flatten

from composer.cli import main
from composer.training.loop import TrainingStep, train_epochs
from composer.training.protocol import Batch
from composer.training.run_options import Following, Stored

HELPERS = Path(__file__).parents[1] / "helpers"


class StopError(Exception):
    """A run that is ended from outside."""


class Noisy(Line):
    """A line that draws from every generator that there is."""

    def loss(self, task: str, batch: Batch) -> Tensor:
        noise = random.random() + np.random.random() + torch.rand(()).item()
        return super().loss(task, batch) * (1 + noise)


def stored(path: Path) -> tuple[list[Any], object]:
    """All values of a checkpoint but the times."""
    entries = torch.load(path)
    for result in entries["results"]:
        del result["seconds"], result["cpu"]
    leaves, shape = tree_flatten(entries)
    return leaves, shape


def assert_same(first: Path, second: Path) -> None:
    (left, left_shape), (right, right_shape) = stored(first), stored(second)
    assert left_shape == right_shape
    for a, b in zip(left, right, strict=True):
        assert torch.equal(a, b) if isinstance(a, Tensor) else a == b


@pytest.mark.parametrize("options", [{}, {"accumulate": 2, "ema": 0.9}, {"steps": 7, "clip": None}])
def test_a_run_that_is_stopped_several_times_is_the_unbroken_one(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """Losses of every step, weights, optimizer and random state, with stops within epochs and at their ends."""
    options = {**options, "epochs": 4, "save_every": "1 step"}
    expected: list[tuple[int, float]] = []
    whole = train_epochs(
        Noisy(),
        data(),
        recipe(**options),
        stored=Stored(checkpoint=tmp_path / "whole"),
        following=Following(progress=lambda step: expected.append((step.done, step.loss))),
    )
    chance = random.Random(5)
    seen: dict[int, float] = {}

    def until(last: int) -> Any:
        def step(step: TrainingStep) -> None:
            assert seen.setdefault(step.done, step.loss) == step.loss  # a step that is made again is the same
            if step.done == last:
                raise StopError

        return step

    total = expected[-1][0]
    stops = sorted(chance.sample(range(1, total), 5))
    for number, last in enumerate([*stops, 0]):
        torch.manual_seed(chance.randrange(1000))  # whatever happened in between must not matter
        random.seed(number)
        np.random.seed(number)
        place = tmp_path / "broken"
        stored, following = Stored(place, place.exists()), Following(progress=until(last))
        if last:
            with pytest.raises(StopError):
                train_epochs(Noisy(), data(), recipe(**options), stored=stored, following=following)
        else:
            results = train_epochs(Noisy(), data(), recipe(**options), stored=stored, following=following)
    assert [result.losses for result in results] == [result.losses for result in whole]
    assert sorted(seen.items()) == expected
    assert_same(tmp_path / "whole", tmp_path / "broken")


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, {helpers!r})
import torch
from lines import Line, data, recipe
from composer.training.loop import train_epochs
from composer.training.run_options import Following, Stored

torch.set_num_threads(1)
place, chance, kills = Path({place!r}), random.Random(11), 0
wanted = recipe(epochs=3, save_every="1 step", ema=0.99)
train_epochs(Line(), data(), wanted, stored=Stored(place / "whole"))
while True:
    child = os.fork()
    if not child:
        resume = (place / "killed").exists()
        slowly = lambda step: time.sleep(0.005)  # thirty steps outlast any two of the waits below
        stored = Stored(place / "killed", resume)
        train_epochs(Line(), data(), wanted, stored=stored, following=Following(progress=slowly))
        os._exit(0)
    if kills < 8:
        time.sleep(chance.uniform(0.01, 0.06))
        os.kill(child, signal.SIGKILL)
    if os.waitpid(child, 0)[1] == 0:
        print(kills)
        break
    kills += 1
"""


def test_a_run_that_is_killed_at_random_moments_is_the_unbroken_one(tmp_path: Path) -> None:
    """kill -9, wherever the run stands: in a step, or while the state is written."""
    script = KILLED.format(helpers=str(HELPERS), place=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 2
    assert_same(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_is_heard_after_the_step_and_the_state_of_that_step_is_stored(
    tmp_path: Path, name: str
) -> None:
    number = getattr(signal, name)
    told: list[str] = []

    def ended(number: int, frame: Any) -> None:
        raise StopError

    def asked(step: TrainingStep) -> None:
        if step.done == 13:
            signal.raise_signal(number)
            told.append("the step goes on")

    before = signal.signal(number, ended)
    try:
        with pytest.raises(StopError):
            train_epochs(
                Line(),
                data(),
                recipe(),
                stored=Stored(checkpoint=tmp_path / "stopped"),
                following=Following(progress=asked, stopping=lambda: told.append("heard")),
            )
        assert signal.getsignal(number) is ended
    finally:
        signal.signal(number, before)
    assert told == ["heard", "the step goes on"]
    entries = torch.load(tmp_path / "stopped")
    assert (len(entries["results"]), entries["position"]["done"]) == (1, 3)
    train_epochs(Line(), data(), recipe(), stored=Stored(checkpoint=tmp_path / "stopped", resume=True))
    train_epochs(Line(), data(), recipe(), stored=Stored(checkpoint=tmp_path / "whole"))
    assert_same(tmp_path / "stopped", tmp_path / "whole")


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    class Hangs(Points):
        def batch(self, epoch: int, index: int) -> Batch:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("the second signal is let through")

    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a background process begins without one
    try:
        with pytest.raises(KeyboardInterrupt):
            train_epochs(
                Line(),
                {"up": Hangs()},
                recipe(tasks={"up": TASK}),
                stored=Stored(checkpoint=tmp_path / "run"),
            )
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (tmp_path / "run").exists()


AUGMENTED = """\
import random
import numpy as np, torch
from composer.types import States
import tiny_data

class Points(tiny_data.Points):
    def samples(self, split, epoch=0):
        made = super().samples(split, epoch)
        return tiny_data.Lazy([self.drawn(s) for s in made]) if split == "train" else made

    def drawn(self, sample):
        by = random.random() + np.random.random() + torch.rand(()).item()
        return {**sample, "x": States(sample["x"].values * np.float32(by), None)}
"""
DROPPED = DOCUMENT.replace("modules:", "modules:\n  body: {uses: tiny.body}").replace(
    "{uses: core.pool, inputs: x}", "{uses: core.pool, inputs: kept}\n      kept: {call: body, inputs: x}"
)


def test_augmentation_dropout_and_order_go_on_where_they_were(
    points: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dataset that draws from Python's, numpy's and torch's own generators, and a module with dropout and means."""
    (points / "augmented.py").write_text(AUGMENTED)
    monkeypatch.syspath_prepend(str(points))
    import tiny_data

    monkeypatch.setattr(tiny_data, "Points", __import__("augmented").Points)
    (points / "dropped.yaml").write_text(DROPPED)
    command = ["train", "dropped.yaml", "--recipe", "recipe.yaml", "--save-every", "1 step", "--out"]
    assert main([*command, "whole"]) == 0
    from composer.training import loop, state

    save, left = state.save_state, [5]

    def save_some(*arguments: Any) -> None:
        save(*arguments)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_state", save_some)
    assert main([*command, "broken"]) == 130
    monkeypatch.setattr(loop, "save_state", save)
    assert "the run is stored: go on with --resume" in capsys.readouterr().err
    assert main([*command, "broken", "--resume"]) == 0
    whole, broken = (load_file(f"{name}.safetensors") for name in ("whole", "broken"))
    assert all(torch.equal(whole[key], broken[key]) for key in whole)


FULL = """
import resource, sys
from composer.cli import main
command = ["train", "points.yaml", "--recipe", "recipe.yaml", "--out", "run"]
assert main([*command, "--epochs", "1"]) == 0
resource.setrlimit(resource.RLIMIT_FSIZE, (%d, %d))
sys.exit(main([*command, "--epochs", "2", "--resume"]))
"""


@pytest.mark.parametrize("limit", [1_000, 3_000])
def test_a_disk_that_is_full_ends_in_a_sentence_with_the_state_of_before(
    points: Path, capsys: pytest.CaptureFixture[str], limit: int
) -> None:
    """The limit is that of the system, so that whoever writes (torch's own code, too) meets it."""
    site = str(points.parent / "site")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys\nsys.path[:0] = [{site!r}, {str(HELPERS)!r}]\n{FULL % (limit, limit)}",
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert "cannot be written: " in last
    assert last.endswith("make room, and go on with --resume")
    assert "Traceback" not in done.stderr
    assert not list(points.glob(".*.part"))
    capsys.readouterr()
    command = ["train", "points.yaml", "--recipe", "recipe.yaml", "--out", "run", "--resume"]
    assert main([*command, "--epochs", "2"]) == 0
