"""Learning rates by the schedule of a recipe, held against those that were recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import ValidationError

from composer.compare.case import RecordedRates, of_config
from composer.compare.rows import Row, compare_tensors
from composer.problems import InputError
from composer.recipes import Recipe
from composer.recipes.learning_rates import RunRates

__all__ = ["rate_rows"]


def rate_rows(name: str, case: RecordedRates, config: Mapping[str, object]) -> list[Row]:
    """A row for the rates of each group of weights, batch by batch.

    Raises InputError for what is not recorded or is not of the kind that is wanted, and for a schedule that a recipe
    could not have.
    """

    def read(key: str, what: str) -> Any:
        return of_config(config, key, f"{what} of schedule {name}")

    said = {**case.schedule, **{key: read(place, key) for key, place in case.config.items()}}
    try:
        peaks = torch.tensor(read(case.peaks, "peaks"), dtype=torch.float64).reshape(-1)
        epochs, batches = int(read(case.epochs, "epochs")), int(read(case.batches, "batches"))
        recorded = torch.tensor(read(case.recorded, "recorded"), dtype=torch.float64)
        recorded = recorded.reshape(len(recorded), -1)[: epochs * batches]
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"schedule {name}: `epochs` and `batches` are numbers, `peaks` is one or a list, and `recorded` a list of "
            f"rates or of a rate for each peak: {error}"
        ) from None
    if recorded.shape != (epochs * batches, len(peaks)):
        raise InputError(
            f"schedule {name}: {epochs} epochs of {batches} batches with {len(peaks)} rates are wanted, and "
            f"`{case.recorded}` holds {len(recorded)} batches with {recorded.shape[1]}"
        )
    try:
        recipe = Recipe.model_validate(
            {"epochs": epochs, "learning_rate": float(peaks.max()), "schedule": said, "tasks": {}}
        )
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        raise InputError(f"schedule {name}: {faults}") from None
    rates = RunRates(recipe, [batches * epoch for epoch in range(epochs + 1)], [])
    rows = []
    for index, peak in enumerate(peaks.tolist()):
        ours = torch.tensor(
            [rates.rate(batch, peak) for batch in range(epochs * batches)], dtype=torch.float64
        )
        place = f"rates to {peak:g}"
        rows.append(compare_tensors(name, place, case.recorded, ours, recorded[:, index], case.tolerance))
    return rows
