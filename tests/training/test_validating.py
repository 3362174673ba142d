"""Scores on the way: when they are made, which weights are kept, when a run ends, and what is logged of it all."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import tiny_data
import torch
from lines import Line, data, recipe
from safetensors.torch import load_file
from torch import Tensor

import composer
from composer.cli import main
from composer.recipes import ValidationRecipe
from composer.training import train_document
from composer.training.loop import TrainingStep, train_epochs
from composer.training.run_options import Following, Stored
from composer.training.stopping import StopNow
from composer.training.validating import Validation


class Scored:
    """Scores that are planned, and what is kept."""

    def __init__(self, scores: Sequence[float], line: Line, *, higher: bool = True, **options: Any) -> None:
        self.scores, self.line = list(scores), line
        self.kept: list[dict[str, Tensor]] = []
        self.seen: list[bool] = []
        wanted = ValidationRecipe.model_validate(options)
        self.validation = Validation(wanted, ("up", "accuracy", higher), self.score, self.keep)

    def score(self) -> dict[str, dict[str, float]]:
        torch.rand(3)  # whatever a metric draws, the run does not notice
        self.seen.append(self.line.modules_by_name["line"].training)
        return {"up": {"accuracy": self.scores.pop(0)}}

    def keep(self) -> None:
        state = self.line.modules_by_name["line"].state_dict()
        self.kept.append({key: value.clone() for key, value in state.items()})


def test_validation_changes_nothing_of_the_run() -> None:
    plain, watched = Line(), Line()
    train_epochs(plain, data(), recipe())
    scored = Scored([0.0] * 20, watched, every="4 steps")
    train_epochs(watched, data(), recipe(), validation=scored.validation)
    assert [entry["step"] for entry in scored.validation.entries] == list(range(4, 61, 4))
    assert not any(scored.seen)  # in the mode of answering
    for key, value in plain.modules_by_name["line"].state_dict().items():
        assert torch.equal(value, watched.modules_by_name["line"].state_dict()[key])


@pytest.mark.parametrize("higher", [True, False])
def test_the_best_weights_are_kept_and_the_run_ends_when_none_is_better(higher: bool) -> None:
    line, sign = Line(), 1 if higher else -1
    scores = [sign * value for value in (0.1, 0.3, 0.3, float("nan"), 0.9, 0.2)]
    scored = Scored(scores, line, every="1 epoch", patience=2, higher=higher)
    results = train_epochs(line, data(), recipe(), validation=scored.validation)
    assert [entry["best"] for entry in scored.validation.entries] == [True, True, False, False]
    assert len(results) == 4
    assert len(scored.kept) == 2


def test_a_run_that_ended_early_is_over_when_it_is_resumed(tmp_path: Path) -> None:
    for _ in range(2):
        line = Line()
        scored = Scored([0.5, 0.4, 0.9], line, every="7 steps", patience=1)
        results = train_epochs(
            line,
            data(),
            recipe(),
            validation=scored.validation,
            stored=Stored(checkpoint=tmp_path / "run", resume=(tmp_path / "run").exists()),
        )
        assert [entry["step"] for entry in scored.validation.entries] == [7, 14]
        assert len(results) == 1  # of finished epochs
    assert scored.scores == [0.5, 0.4, 0.9]


def test_the_running_mean_is_what_is_validated_and_kept() -> None:
    line = Line()
    raw: list[Tensor] = []
    scored = Scored([0.1, 0.2], line, every="1 epoch")
    weight = line.modules_by_name["line"].get_parameter("2.bias")
    train_epochs(
        line,
        data(),
        recipe(epochs=2, ema=0.99),
        validation=scored.validation,
        following=Following(progress=lambda step: raw.append(weight.detach().clone())),
    )
    assert not torch.equal(scored.kept[0]["2.bias"], raw[9])
    assert torch.equal(scored.kept[1]["2.bias"], weight)


@pytest.mark.parametrize("at", [5, 10], ids=["within an epoch", "between epochs"])
def test_a_stop_during_a_validation_is_done_again_later(tmp_path: Path, at: int) -> None:
    whole = Line()
    expected = Scored([0.1] * 9, whole, every="5 steps")
    train_epochs(whole, data(), recipe(epochs=2), validation=expected.validation)
    stopped, told = Line(), list[int]()
    scored = Scored([0.1] * 9, stopped, every="5 steps")

    def score() -> dict[str, dict[str, float]]:
        if told[-1] == at:
            raise StopNow
        return scored.score()

    scored.validation.score = score
    for resume in (False, True):
        told.append(0)

        def step(step: TrainingStep) -> None:
            told.append(step.done)

        if resume:
            stopped = scored.line = Line()
            scored.validation.score = scored.score
        else:
            step_stops = pytest.MonkeyPatch()
            step_stops.setattr("composer.training.stopping.Stopping.pass_on", _raise)
        options: dict[str, Any] = {
            "stored": Stored(tmp_path / "run", resume),
            "following": Following(progress=step),
        }
        if resume:
            train_epochs(stopped, data(), recipe(epochs=2), validation=scored.validation, **options)
        else:
            with pytest.raises(KeyboardInterrupt):
                train_epochs(stopped, data(), recipe(epochs=2), validation=scored.validation, **options)
            step_stops.undo()
    assert [entry["step"] for entry in scored.validation.entries] == [5, 10, 15, 20]
    for key, value in whole.modules_by_name["line"].state_dict().items():
        assert torch.equal(value, stopped.modules_by_name["line"].state_dict()[key])


def _raise(stopping: object) -> None:
    raise KeyboardInterrupt


VALIDATED = "validation: {every: 3 steps, loss: true, best: sort.loss}\n"


def validated(points: Path, text: str = VALIDATED) -> str:
    (points / "validated.yaml").write_text((points / "recipe.yaml").read_text() + text)
    return "validated.yaml"


def lines_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(f"{name}.metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_its_metrics_its_picture_and_its_best_weights(
    points: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = train_document("points.yaml", out="out", recipe=validated(points))
    told = capsys.readouterr().err
    assert "step 3  sort: accuracy" in told
    assert "(the best so far)" in told
    lines = lines_of("out")
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 13))
    assert steps[0].keys() == {
        *("step", "epoch", "task", "loss", "lr", "grad_norm", "samples_per_s", "seconds", "time")
    }
    for epoch, curve in enumerate(record["curve"], 1):
        losses = [line["loss"] for line in steps if line["epoch"] == epoch]
        assert sum(losses) / 4 == pytest.approx(curve["losses"]["sort"], abs=1e-6)
    scores = [line for line in lines if "scores" in line]
    assert [line["step"] for line in scores] == [3, 6, 9, 12]
    assert scores[-1]["scores"]["sort"].keys() == {"accuracy", "samples", "loss"}
    assert [{k: line[k] for k in ("step", "epoch", "scores", "best")} for line in scores] == record[
        "validations"
    ]
    best = min(scores, key=lambda line: line["scores"]["sort"]["loss"])
    assert (record["best"]["step"], record["best"]["file"]) == (best["step"], "out.best.safetensors")
    assert loss_of("out.best.safetensors") == pytest.approx(best["scores"]["sort"]["loss"], abs=1e-5)
    drawn = ElementTree.parse("out.curves.svg").getroot()
    assert drawn.tag.endswith("svg")
    curves = [e for e in drawn.iter() if e.tag.endswith("polyline")]
    assert [len(e.attrib["points"].split()) for e in curves] == [12, 12, 4, 4]  # loss, rate, accuracy, loss


def loss_of(weights: str) -> float:
    """The mean loss of stored weights on the validation split, computed by hand."""
    stored = load_file(weights)
    samples = tiny_data.Points(tiny_data.PointsConfig()).samples("validation")
    model = composer.load("points.yaml", weights=weights)
    scores = model.run("sort", x=[sample["x"] for sample in samples])["scores"]
    target = torch.tensor([int(sample["truth"]) for sample in samples])
    assert stored
    return float(torch.nn.functional.cross_entropy(torch.as_tensor(scores), target))


@pytest.mark.parametrize(
    ("where", "count"),
    [("run_files:RunFiles.step", 5), ("metrics_log:MetricsLog.validation", 2)],
    ids=["after a step", "between the line of a validation and its state"],
)
def test_a_resumed_run_has_every_line_once(
    points: Path, monkeypatch: pytest.MonkeyPatch, where: str, count: int
) -> None:
    name = validated(points)
    train_document("points.yaml", out="whole", recipe=name, save_every="1 step")
    module, _, attribute = where.partition(":")
    owner, method = attribute.split(".")
    ended = getattr(importlib.import_module(f"composer.training.{module}"), owner)
    real, left = getattr(ended, method), [count]

    def ends(*given: Any) -> None:
        real(*given)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(ended, method, ends)
    with pytest.raises(KeyboardInterrupt):
        train_document("points.yaml", out="broken", recipe=name, save_every="1 step")
    with Path("broken.metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')  # a killed run's last line
    train_document("points.yaml", out="broken", recipe=name, save_every="1 step", resume=True)
    times = ("time", "seconds", "samples_per_s")
    whole, broken = (
        [{k: v for k, v in line.items() if k not in times} for line in lines_of(n)]
        for n in ("whole", "broken")
    )
    assert whole == broken
    for ending in ("", ".best"):
        first, second = (load_file(f"{n}{ending}.safetensors") for n in ("whole", "broken"))
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_tensorboard_has_the_same_numbers(points: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )

    command = [
        "train",
        "points.yaml",
        "--recipe",
        validated(points),
        "--out",
        "out",
        "--tensorboard",
        "events",
    ]
    assert main(command) == 0
    events = EventAccumulator("events").Reload()
    steps = [line for line in lines_of("out") if "loss" in line]
    found = events.Scalars("loss/sort")
    assert [event.step for event in found] == [line["step"] for line in steps]
    assert [event.value for event in found] == pytest.approx([line["loss"] for line in steps])
    assert len(events.Scalars("validation/sort.accuracy")) == 4


def test_a_folder_that_tensorboard_cannot_open_is_one_sentence(
    points: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    command = ["train", "points.yaml", "--recipe", "recipe.yaml", "--out", "out"]
    assert main([*command, "--tensorboard", "m\udcfchle"]) == 1
    assert (
        "TensorBoard writes to no folder whose name is not UTF-8" in capsys.readouterr().err.splitlines()[-1]
    )
    assert not list(Path().glob("out*"))


def test_without_tensorboard_its_option_is_one_sentence(
    points: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    assert (
        main(["train", "points.yaml", "--recipe", "recipe.yaml", "--out", "out", "--tensorboard", "e"]) == 1
    )
    last = capsys.readouterr().err.splitlines()[-1]
    assert "pip install 'multimodal-composer[tensorboard]'" in last
    assert not Path("out.checkpoint").exists()


def test_the_best_weights_are_scored_at_the_end_and_an_early_end_is_told(
    points: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "validation: {every: 2 steps, loss: true, best: sort.loss, patience: 1}\n"
    name = validated(points, text)
    (points / name).write_text((points / name).read_text().replace("1e-2", "3.0"))  # far too large a rate
    record = train_document("points.yaml", out="out", recipe=name, epochs=30)
    told = capsys.readouterr().err
    assert "ended early: no better score in 1 validation\n" in told
    assert len(record["curve"]) < 30
    best = record["best"]
    assert f"the best weights, of step {best['step']}, in out.best.safetensors:" in told
    assert best["scores"].keys() == {"validation", "test"}
    assert best["sha256"] != record["weights"]["sha256"]
    entry = next(e for e in record["validations"] if e["step"] == best["step"])
    assert best["scores"]["validation"]["sort"]["accuracy"] == entry["scores"]["sort"]["accuracy"]


def test_so_many_samples_are_scored(points: Path) -> None:
    record = train_document(
        "points.yaml", out="out", recipe=validated(points, "validation: {samples: 3}\n"), splits=()
    )
    assert [entry["scores"]["sort"]["samples"] for entry in record["validations"]] == [3, 3, 3]
