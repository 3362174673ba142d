"""What a run leaves while it goes on: shown progress, logged metrics, the best weights, and the picture at the end."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from composer.execution import Model
from composer.problems import InputError
from composer.training.curves import draw_curves
from composer.training.data import SampleData
from composer.training.display import Display
from composer.training.evaluating import evaluate, scores_of
from composer.training.loop import EpochResult, TrainingStep
from composer.training.metrics_log import MetricsLog, read_metrics
from composer.training.places import Places
from composer.training.preparing import Prepared
from composer.training.processes import Processes
from composer.training.rehearsal import scored_fields
from composer.training.run_options import Following
from composer.training.validating import Validation, best_score_of
from composer.weights import save_weights

__all__ = ["RunFiles"]

DRAWN_EVERY_S = 60.0


class RunFiles:
    """Whom the loop tells what happens."""

    def __init__(
        self, prepared: Prepared, places: Places, display: Display, tensorboard: Path | None = None
    ) -> None:
        self.prepared = prepared
        self.places = places
        self.display = display
        self.log = MetricsLog(places.metrics, tensorboard)
        self._step = 0
        self._drawn = -math.inf
        self._is_behind = False
        """Whether something was logged since the picture was drawn."""

    def following(self) -> Following:
        """What the loop tells of."""
        return Following(self.step, self.epoch, self.log.begin, self.display.stopping)

    def step(self, step: TrainingStep) -> None:
        """A step was made."""
        self._step = step.done
        self.display.step(step)
        self.log.step(step)

    def epoch(self, result: EpochResult) -> None:
        """An epoch has ended."""
        self.display.epoch(result)
        self.log.epoch(result, self._step)
        self._draw_now_and_then()

    def validated(self, entry: dict[str, Any]) -> None:
        """Scores were made on the way."""
        self.display.validation(entry)
        self.log.validation(entry)
        self._draw_now_and_then()

    def close(self) -> None:
        """The run has ended, in one way or the other."""
        self.log.close()
        if self._is_behind:
            with suppress(InputError):  # why the run has ended is told already
                self.draw()

    def _draw_now_and_then(self) -> None:
        """Draw, unless that was done a moment ago: a picture is made of all lines so far."""
        self._is_behind = True
        if time.monotonic() - self._drawn >= DRAWN_EVERY_S:
            self.draw()

    def draw(self) -> None:
        """Draw the picture of the metrics so far."""
        self._drawn, self._is_behind = time.monotonic(), False
        draw_curves(self.places.curves, read_metrics(self.places.metrics), self.prepared.report.name)

    def validation(self, processes: Processes) -> Validation | None:
        """How the run is validated; None where the recipe asks for no validation."""
        recipe = self.prepared.recipe
        if recipe.validation is None:
            return None
        scorer = _Scorer(self.prepared, processes)
        return Validation(
            recipe.validation,
            best_score_of(recipe, self.prepared.evaluations),
            scorer,
            self.keep,
            self.validated,
        )

    def keep(self) -> None:
        """Store the weights as they are now beside those that are written at the end."""
        written = self.prepared.written
        metadata = written.metadata(self.places.best.parent)
        modules = self.prepared.programs.modules_by_name
        save_weights(modules, self.places.best, metadata, leave_out=written.left_out)


class _Scorer:
    """Scores of the modules as they stand, by task. Each process answers its share of the samples."""

    def __init__(self, prepared: Prepared, processes: Processes) -> None:
        self._prepared = prepared
        self._processes = processes
        assert prepared.recipe.validation is not None
        self._recipe = prepared.recipe.validation
        self._model = Model(
            report=prepared.report,
            modules=prepared.programs.running,
            tasks=list(prepared.recipe.tasks),
            device=prepared.programs.numerics.device,
        )

    def __call__(self) -> Mapping[str, Mapping[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for task, data in self._prepared.data.items():
            if self._recipe.split not in data.source.splits:
                continue
            scores = {**self._scores(task, data), **self._losses(task)}
            if scores:
                found[task] = scores
        return found

    def _scores(self, task: str, data: SampleData) -> dict[str, Any]:
        entry, evaluation = self._prepared.recipe.tasks[task], self._prepared.evaluations.get(task)
        if evaluation is None or not evaluation.metrics:
            return {}
        fields = scored_fields(self._model, task, entry, evaluation)
        drawn = data.source.draw(self._recipe.split, fields=fields)
        count = min(self._recipe.samples or len(drawn), len(drawn))
        samples = drawn if count == len(drawn) else [drawn[index] for index in range(count)]
        found = evaluate(
            self._model,
            task,
            samples,
            entry,
            evaluation,
            title=drawn.title,
            interval=False,
            processes=self._processes,
        )
        return scores_of(found, count)

    def _losses(self, task: str) -> dict[str, float]:
        """The mean loss over the samples of the split."""
        data = self._prepared.validating.get(task)
        if data is None:
            return {}
        processes, sizes = self._processes, self._sizes(data)

        def weighted() -> list[float]:
            with torch.no_grad():
                return [
                    float(self._prepared.programs.loss(task, data.batch(0, index))) * sizes[index]
                    for index in range(processes.rank, len(sizes), processes.count)
                ]

        losses: list[float] = processes.collected(weighted)
        return {"loss": round(math.fsum(losses) / sum(sizes), 6)}

    def _sizes(self, data: SampleData) -> list[int]:
        """How many samples each batch has whose loss counts."""
        sizes: list[int] = []
        for index in range(data.batches(0)):
            if self._recipe.samples is not None and sum(sizes) >= self._recipe.samples:
                break
            sizes.append(data.count(0, index))
        return sizes
