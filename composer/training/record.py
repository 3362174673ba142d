"""What a training run leaves beside its weights: a JSON record of their making and their scores."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from torch import nn

from composer.files import replace_file, sha256_of
from composer.problems.render.machine import json_bytes
from composer.training.loop import EpochResult
from composer.training.places import Places
from composer.training.preparing import Prepared
from composer.training.validating import Validation
from composer.training.what_is_written import counts_of

__all__ = ["count_parameters", "record_of", "validations_of", "write_record"]

PACKAGES = ("multimodal-composer", "torch", "numpy")


def write_record(path: Path, record: Mapping[str, object]) -> None:
    """Write the record as JSON, whole or not at all. A number that JSON lacks (NaN, infinity) is null."""
    text = json.dumps(_finite(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    replace_file(path, lambda file: file.write(json_bytes(text)))


def record_of(
    prepared: Prepared,
    places: Places,
    results: Sequence[EpochResult],
    settings: Mapping[str, object],
    counts: Mapping[str, int],
) -> dict[str, object]:
    """What the weights are that were written, how they were made, and an empty place for their scores."""
    parameters = prepared.report.document.parameters
    written = {"bytes": places.weights.stat().st_size, "sha256": sha256_of(places.weights)}
    return {
        "document": prepared.report.name,
        "command": "",
        "recipe": prepared.recipe.model_dump(by_alias=True, exclude={"document"}),
        **({"data": {task: own.record() for task, own in prepared.own.items()}} if prepared.own else {}),
        "settings": {parameter: parameters[parameter] for parameter in settings},
        "parameters": counts,
        **counts_of(prepared.programs),
        "began_with": _began_with(prepared),
        "weights": {"file": places.weights.name, **written, **_left_out(prepared)},
        "versions": _versions(prepared.packages),
        "cores": os.cpu_count(),
        "device": prepared.programs.numerics.device.type,
        "precision": prepared.programs.numerics.precision,
        "seconds": {
            "training": round(sum(item.seconds for item in results), 1),
            "cpu": round(sum(item.cpu for item in results), 1),
        },
        "curve": [item.as_dict() for item in results],
        "scores": {},
        "intervals": {},
    }


def validations_of(validation: Validation | None, places: Places) -> dict[str, object]:
    """The scores on the way, and which of them are those of the best weights."""
    if validation is None:
        return {}
    best = validation.best_entry
    if best is None:
        return {"validations": validation.entries}
    told = {"file": places.best.name, "sha256": sha256_of(places.best), "step": best["step"]}
    return {"validations": validation.entries, "best": told}


def count_parameters(modules: Mapping[str, nn.Module]) -> dict[str, int]:
    """Parameters of every module, and their `total`: one that several modules share counts once there."""
    counts = {name: sum(p.numel() for p in module.parameters()) for name, module in modules.items()}
    every = {id(p): p.numel() for module in modules.values() for p in module.parameters()}
    return {**counts, "total": sum(every.values())}


def _versions(packages: Iterable[str] = ()) -> dict[str, str]:
    """Versions of Python and of the packages that decide the result: the core's, and `packages` of the data."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, *sorted(set(packages))):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _left_out(prepared: Prepared) -> dict[str, object]:
    """The modules whose frozen weights lie in the sources that the run began with, and not in what it writes."""
    return {"left_out": list(prepared.written.modules)} if prepared.written.left_out else {}


def _began_with(prepared: Prepared) -> dict[str, object] | None:
    """The checkpoint that the run began with, by the name of its file; of several, by module. None for initial ones."""
    loading = prepared.programs.loading
    if loading is None:
        return None
    located = loading.sources[0].located if len(loading.sources) == 1 else None
    if located is None or loading.fresh:
        return {"modules": loading.origins()}
    return {"file": located.path.name, "sha256": located.digest}


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value
