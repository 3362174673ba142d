"""The loop on a model of a few weights: it learns, it is seeded, and a resumed run ends where an unbroken one does."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from lines import TASK, Line, Points, data, recipe
from torch import Tensor

from composer.problems import ComposerError, InputError
from composer.training.loop import EpochResult, TrainingStep, train_epochs
from composer.training.protocol import Batch
from composer.training.run_options import Following, Stored


class Fewer(Points):
    def batches(self, epoch: int) -> int:
        return 4


def state(line: Line) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in line.modules_by_name["line"].state_dict().items()}


def test_the_loss_falls_for_every_task() -> None:
    results = train_epochs(Line(), data(), recipe())
    assert len(results) == 6
    for task in ("up", "down"):
        assert results[-1].losses[task] < 0.5 * results[0].losses[task]


def test_two_runs_with_one_seed_are_the_same_and_another_seed_differs() -> None:
    lines = [Line(), Line(), Line()]
    for line, seed in zip(lines, (0, 0, 1), strict=True):
        train_epochs(line, data(), recipe(seed=seed))
    first, second, third = map(state, lines)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], third[key]) for key in first)


class StopError(Exception):
    """A run that is ended from outside."""


@pytest.mark.parametrize("stop_after", [1, 4])
def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path, stop_after: int) -> None:
    whole = Line()
    expected = train_epochs(whole, data(), recipe())

    def stop(result: EpochResult) -> None:
        if result.epoch + 1 == stop_after:
            raise StopError

    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(StopError):
        train_epochs(
            Line(), data(), recipe(), stored=Stored(checkpoint=checkpoint), following=Following(finished=stop)
        )
    torch.manual_seed(12345)  # whatever happened in between must not matter
    resumed = Line()
    results = train_epochs(resumed, data(), recipe(), stored=Stored(checkpoint=checkpoint, resume=True))
    assert [r.losses for r in results] == [r.losses for r in expected]
    assert all(torch.equal(state(whole)[key], state(resumed)[key]) for key in state(whole))


def test_an_interrupted_step_loses_only_its_epoch(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"

    def stop(step: TrainingStep) -> None:
        if step.epoch == 2 and step.done == 23:
            raise StopError

    with pytest.raises(StopError):
        train_epochs(
            Line(), data(), recipe(), stored=Stored(checkpoint=checkpoint), following=Following(progress=stop)
        )
    resumed, whole = Line(), Line()
    train_epochs(resumed, data(), recipe(), stored=Stored(checkpoint=checkpoint, resume=True))
    train_epochs(whole, data(), recipe())
    assert all(torch.equal(state(whole)[key], state(resumed)[key]) for key in state(whole))
    assert [path.name for path in tmp_path.iterdir()] == ["run.checkpoint"]  # no temporary file is left


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    train_epochs(Line(), data(), recipe(epochs=1), stored=Stored(checkpoint=checkpoint))
    changed = {**TASK, "batch": 2}
    with pytest.raises(InputError, match=r"another recipe \(learning_rate was 0\.02 and is 0\.03\)"):
        train_epochs(
            Line(), data(), recipe(learning_rate=0.03), stored=Stored(checkpoint=checkpoint, resume=True)
        )
    with pytest.raises(InputError, match=r"another recipe \(tasks\.down\.batch was 1 and is 2\)"):
        train_epochs(
            Line(),
            data(),
            recipe(tasks={"up": TASK, "down": changed}),
            stored=Stored(checkpoint=checkpoint, resume=True),
        )
    with pytest.raises(InputError, match="another document"):
        train_epochs(
            Line(), data(), recipe(), stored=Stored(checkpoint=checkpoint, resume=True, document="other")
        )
    fewer = {**data(), "up": Fewer()}
    with pytest.raises(InputError, match=r"other data \(batches\.up was 5 and is 4\)"):
        train_epochs(Line(), fewer, recipe(), stored=Stored(checkpoint=checkpoint, resume=True))
    with pytest.raises(InputError, match="no checkpoint"):
        train_epochs(Line(), data(), recipe(), stored=Stored(checkpoint=tmp_path / "none", resume=True))


class Runs:
    """What runs code as soon as it is unpickled without care."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.trace,)


def middle_zeroed(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:300] + bytes(len(content) - 900) + content[-600:])


def without_modules(path: Path) -> None:
    stored = torch.load(path)
    del stored["modules"]
    torch.save(stored, path)


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "it is cut short"),
        (lambda path: path.write_bytes(b""), "it is empty"),
        (lambda path: path.write_text("epoch 1\n"), "`composer train` did not write it"),
        (lambda path: path.write_bytes(pickle.dumps(Runs(path.with_name("ran")))), "did not write it"),
        (lambda path: torch.save(Runs(path.with_name("ran")), path), "more than tensors and plain values"),
        (lambda path: torch.save([1], path), "`composer train` of this version did not write it"),
        (without_modules, "`composer train` of this version did not write it"),
        (middle_zeroed, r"it is damaged \("),
    ],
    ids=["truncated", "empty", "text", "a pickle with code", "a zip with code", "foreign", "part", "zeros"],
)
def test_a_checkpoint_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, damage: Callable[[Path], object], cause: str
) -> None:
    """With place, cause and cure; and nothing that it holds has run."""
    checkpoint = tmp_path / "run.checkpoint"
    train_epochs(Line(), data(), recipe(epochs=1), stored=Stored(checkpoint=checkpoint))
    damage(checkpoint)
    with pytest.raises(InputError) as caught:
        train_epochs(Line(), data(), recipe(epochs=1), stored=Stored(checkpoint=checkpoint, resume=True))
    assert re.fullmatch(
        f"the checkpoint {checkpoint} cannot be read: .*{cause}.*; put a copy of it back, or start anew without "
        "--resume",
        str(caught.value),
    )
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_a_loss_that_is_no_number_stops_the_run_before_the_weights_change() -> None:
    line = Line(broken=True)
    before = state(line)
    with pytest.raises(ComposerError, match="diverged"):
        train_epochs(line, data(), recipe())
    assert all(torch.equal(before[key], state(line)[key]) for key in before)


@pytest.mark.parametrize("stopped_after", [1, 3])
def test_a_run_is_extended_by_more_epochs(tmp_path: Path, stopped_after: int) -> None:
    """It ends as the longer run does that begins its rate anew where the shorter one ended."""
    expected = Line()
    whole = train_epochs(expected, data(), recipe(epochs=5, restarts=[3]))
    checkpoint = tmp_path / "run.checkpoint"

    def stop(result: EpochResult) -> None:
        if result.epoch + 1 == stopped_after:
            raise StopError

    with pytest.raises(StopError):
        train_epochs(
            Line(),
            data(),
            recipe(epochs=3),
            stored=Stored(checkpoint=checkpoint),
            following=Following(finished=stop),
        )
    extended = Line()
    results = train_epochs(
        extended, data(), recipe(epochs=5), stored=Stored(checkpoint=checkpoint, resume=True)
    )
    assert [r.losses for r in results] == [r.losses for r in whole]
    assert all(torch.equal(state(expected)[key], state(extended)[key]) for key in state(expected))


def test_an_extended_run_resumes_and_never_shrinks(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    train_epochs(Line(), data(), recipe(epochs=1), stored=Stored(checkpoint=checkpoint))
    train_epochs(Line(), data(), recipe(epochs=2), stored=Stored(checkpoint=checkpoint, resume=True))
    again = train_epochs(Line(), data(), recipe(epochs=2), stored=Stored(checkpoint=checkpoint, resume=True))
    assert len(again) == 2
    with pytest.raises(InputError, match=r"has 2 epochs, 2 of them done, and 1 are asked for.*--epochs"):
        train_epochs(Line(), data(), recipe(epochs=1), stored=Stored(checkpoint=checkpoint, resume=True))


def test_all_tasks_of_an_extension_have_joined(tmp_path: Path) -> None:
    late = {"up": TASK, "down": {**TASK, "start": 0.5}}
    checkpoint = tmp_path / "run.checkpoint"
    train_epochs(Line(), data(), recipe(epochs=2, tasks=late), stored=Stored(checkpoint=checkpoint))
    longer = recipe(epochs=8, tasks=late)
    results = train_epochs(Line(), data(), longer, stored=Stored(checkpoint=checkpoint, resume=True))
    assert [sorted(result.losses) for result in results] == [["up"], *[["down", "up"]] * 7]


class Bends(Line):
    """A finite loss whose gradient is not a number from the given step on."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left = step

    def loss(self, task: str, batch: Batch) -> Tensor:
        self.left -= 1
        loss = super().loss(task, batch)
        weight = self.modules_by_name["line"].get_parameter("2.weight")
        return loss if self.left >= 0 else loss + torch.sqrt(weight.sum() * 0)


def test_a_gradient_that_is_not_finite_stops_the_run_and_the_last_good_state_stays(tmp_path: Path) -> None:
    checkpoint, line = tmp_path / "run.checkpoint", Bends(13)
    seen: list[dict[str, Tensor]] = []
    said = (
        r"gradient of task `(up|down)` is not finite in epoch 2, step 4, first in `line\.2\.weight`.*batch \d"
    )
    with pytest.raises(ComposerError, match=said):
        train_epochs(
            line,
            data(),
            recipe(),
            stored=Stored(checkpoint=checkpoint),
            following=Following(progress=lambda step: seen.append(state(line))),
        )
    assert len(seen) == 13
    assert all(torch.equal(seen[-1][key], value) for key, value in state(line).items())
    stored = torch.load(checkpoint)["modules"]
    assert all(torch.equal(stored[f"line.{key}"], value) for key, value in seen[9].items())


class Far(Line):
    """A weight at the end of the numbers, which moves away from zero."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.modules_by_name["line"].get_parameter("0.bias").fill_(3.4e38)

    def loss(self, task: str, batch: Batch) -> Tensor:
        return -(self.modules_by_name["line"].get_parameter("0.bias") * 1e-3).sum()


class Once(Points):
    def batches(self, epoch: int) -> int:
        return 1


@pytest.mark.parametrize(
    ("rate", "said"),
    [(3e37, r"weight `line\.\d\.\w+` is not finite after epoch 1"), (1e39, "epoch 1, step 1 cannot be made")],
)
def test_weights_that_overflow_are_not_stored(tmp_path: Path, rate: float, said: str) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    once = {"up": Once()}
    alone = recipe(epochs=1, learning_rate=rate, weight_decay=0.0, warmup=0.0, tasks={"up": TASK})
    with pytest.raises(ComposerError, match=f"{said}.*lower learning_rate.*no state was stored"):
        train_epochs(Far(), once, alone, stored=Stored(checkpoint=checkpoint))
    assert not checkpoint.exists()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "is None, not a tensor"),
        (torch.zeros(3), r"has the shape \[3\]"),
        (torch.zeros(()), "has no gradient"),
    ],
    ids=["none", "several", "constant"],
)
def test_a_loss_that_is_none_is_one_sentence(value: Any, said: str) -> None:
    line = Line()
    line.loss = lambda task, batch: value  # type: ignore[method-assign,assignment]
    with pytest.raises(ComposerError, match=f"loss of task `(up|down)` {said}.*epoch 1, step 1"):
        train_epochs(line, data(), recipe())


class Growing(Points):
    def batches(self, epoch: int) -> int:
        return 5 + epoch


def test_data_that_grows_between_epochs_is_refused() -> None:
    with pytest.raises(ComposerError, match="6 batches in epoch 2 and had 5 in the first"):
        train_epochs(Line(), {"up": Growing(), "down": Points()}, recipe())


@pytest.mark.parametrize("entry", ["results", "ends", "optimizer", "random", "modules", "recipe"])
def test_a_checkpoint_with_a_foreign_entry_is_one_sentence(tmp_path: Path, entry: str) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    train_epochs(Line(), data(), recipe(epochs=1), stored=Stored(checkpoint=checkpoint))
    stored = torch.load(checkpoint)
    torch.save({**stored, entry: 7}, checkpoint)
    with pytest.raises(InputError, match=r"checkpoint .*(damaged|another|belongs)"):
        train_epochs(Line(), data(), recipe(epochs=1), stored=Stored(checkpoint=checkpoint, resume=True))


def test_a_full_disk_leaves_the_checkpoint_of_before(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    train_epochs(Line(), data(), recipe(epochs=1), stored=Stored(checkpoint=checkpoint))
    before = checkpoint.read_bytes()
    full = mock.patch("composer.files.os.fsync", side_effect=OSError(28, "No space left on device"))
    with (
        full,
        pytest.raises(InputError, match=r"run\.checkpoint cannot be written: No space left.*unchanged"),
    ):
        train_epochs(Line(), data(), recipe(epochs=2), stored=Stored(checkpoint=checkpoint, resume=True))
    assert checkpoint.read_bytes() == before
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_results_fit_into_json() -> None:
    results = train_epochs(Line(), data(), recipe(epochs=1))
    assert json.loads(json.dumps([r.as_dict() for r in results]))[0]["epoch"] == 0
