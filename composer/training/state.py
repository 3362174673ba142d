"""The state of a run between two steps: written whole or not at all, read back exactly."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from composer.files import replace_file
from composer.plugin.declarations import config_text
from composer.problems import InputError
from composer.problems.first_line import first_line
from composer.training.course import Course
from composer.training.learner import Learner
from composer.training.numerics import FP32, Numerics, near
from composer.training.random_state import random_states, restore_random

__all__ = [
    "OTHER",
    "Position",
    "RunState",
    "difference",
    "identity_of",
    "load_state",
    "save_state",
    "shown_changes",
    "state_entries",
]

FORMAT = 3
ENTRIES = {
    *("recipe", "ends", "document", "batches", "results", "position", "validations"),
    *("modules", "optimizer", "learner", "random", "random_elsewhere"),
}
FREE_TO_CHANGE = {"epochs", "threads", "document", "save_every"}
"""Keys of a recipe that may change on the way; more epochs extend the run."""
SHOWN_CHANGES = 3
OTHER = {
    "recipe": "another recipe",
    "document": "another document",
    "precision": "another precision",
    "files": "other files that the document reads",
    "weights": "a run that began with other weights, of which it leaves out what is frozen",
    "data": "other data",
}
"""What a checkpoint belongs to that is of another run, by what differs."""


@dataclass
class Position:
    """How far an epoch has come."""

    done: int = 0
    """Steps of it."""
    sums: dict[str, float] = field(default_factory=dict)
    """Of the losses, by task."""
    counts: dict[str, int] = field(default_factory=dict)
    """Of the steps, by task."""
    seconds: float = 0.0
    cpu: float = 0.0

    def add(self, task: str, loss: float) -> None:
        """A step of a task was made."""
        self.sums[task] = self.sums.get(task, 0.0) + loss
        self.counts[task] = self.counts.get(task, 0) + 1
        self.done += 1

    def means(self) -> dict[str, float]:
        """The mean loss of every task so far."""
        return {task: round(total / self.counts[task], 6) for task, total in sorted(self.sums.items())}


@dataclass
class RunState:
    """What a run is, and how far it has come."""

    course: Course
    document: str
    """Tells the trained document from others; empty where there is none."""
    batches: dict[str, int]
    """Batches of an epoch, by task."""
    files: dict[str, str] = field(default_factory=dict)
    """What is in the files that inputs read, by task and input: vocabularies, names of classes."""
    made_of: dict[str, str] = field(default_factory=dict)
    """What tells the data of a task from others, where something does."""
    results: list[dict[str, Any]] = field(default_factory=list)
    """One entry per finished epoch."""
    position: Position = field(default_factory=Position)
    """In the epoch after those."""
    validations: list[dict[str, Any]] = field(default_factory=list)
    """One entry per validation."""
    numerics: Numerics = field(default_factory=Numerics)
    left_out: frozenset[str] = frozenset()
    """Weights that are not written: they are frozen, and lie in what the run began with."""
    began_with: str = ""
    """SHA-256 of that."""


def identity_of(state: RunState, *, free: Collection[str] = FREE_TO_CHANGE) -> dict[str, Any]:
    """What tells a run from others, as plain values; the keys of a recipe that are `free` are no part of it."""
    return {
        "recipe": config_text(state.course.recipe, by_alias=True, exclude=set(free)),
        "document": state.document,
        "files": state.files,
        "batches": state.batches,
        "made_of": state.made_of,
        "precision": state.numerics.precision,
        "began_with": state.began_with,
    }


def difference(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """What of a run's identity differs from another's, and how: `recipe`, `document`, `files`, `precision`, `weights`
    or `data`. None where nothing does.
    """
    if stored["recipe"] != wanted["recipe"]:
        return "recipe", list(_changes(json.loads(stored["recipe"]), json.loads(wanted["recipe"])))
    if stored["document"] != wanted["document"]:
        return "document", []
    known, read = stored.get("files", wanted["files"]), wanted["files"]
    if known != read:
        return "files", sorted(name for name in {*known, *read} if known.get(name) != read.get(name))
    if (before := stored.get("precision", FP32)) != wanted["precision"]:
        return "precision", [f"--precision was {before} and is {wanted['precision']}"]
    if stored.get("began_with", "") != wanted["began_with"]:
        return "weights", []
    if stored["batches"] != wanted["batches"]:
        return "data", list(_changes(dict(stored["batches"]), dict(wanted["batches"]), "batches"))
    if stored.get("made_of", {}) != wanted["made_of"]:
        return "data", ["the batches are as many, and the rows are others"]
    return None


def shown_changes(changes: Sequence[str]) -> str:
    """The first of what differs, in brackets; empty where there is nothing to show."""
    shown = "; ".join(changes[:SHOWN_CHANGES]) + ("; ..." if len(changes) > SHOWN_CHANGES else "")
    return f" ({shown})" if shown else ""


def state_entries(learner: Learner, state: RunState) -> dict[str, Any]:
    """Model, optimizer, random state, the recipe, how far the run has come, and the results so far."""
    modules = learner.modules.state_dict()
    optimizer = learner.optimizer.state_dict()
    for group in optimizer["param_groups"]:
        group["foreach"] = None  # how torch loops is no part of a state
    identity = identity_of(state)
    if not state.left_out:
        del identity["began_with"]  # all weights are here
    return {
        "format": FORMAT,
        **identity,
        "ends": list(state.course.ends),
        "results": state.results,
        "position": asdict(state.position),
        "validations": state.validations,
        "modules": {key: it for key, it in modules.items() if key not in state.left_out},
        "optimizer": optimizer,
        "learner": learner.state_dict(),
        **random_states(state.numerics.device),
    }


def save_state(path: Path, entries: dict[str, Any]) -> None:
    """Write what `state_entries` gave. Raises InputError where the file cannot be written; the one that was there
    stays.
    """
    replace_file(path, lambda file: torch.save(near(entries), file))


def load_state(path: Path, learner: Learner, wanted: RunState) -> RunState:
    """Put a state back into the modules and the optimizer; returns how far it has come, on the way that is `wanted`.

    Raises InputError when the file is missing, damaged, or belongs to another recipe, document, dataset or model.
    """
    if not path.is_file():
        raise InputError(f"there is no checkpoint {path} to resume from: start the run without --resume")
    stored = _read(path)
    _hold_same_run(path, stored, wanted)
    try:
        results = [dict(item) for item in stored["results"]]
        course = wanted.course.resumed(tuple(map(int, stored["ends"])), len(results))
        position = Position(**stored["position"])
        validations = [dict(item) for item in stored["validations"]]
        learner.modules.load_state_dict({**_kept(learner.modules, wanted), **stored["modules"]})
        learner.optimizer.load_state_dict(stored["optimizer"])
        learner.load_state_dict(stored["learner"])
        restore_random(stored, wanted.numerics.random_devices)
    except (RuntimeError, ValueError):
        raise InputError(
            f"the checkpoint {path} belongs to a model of another shape: resume with the document and --set values "
            "of its run, or start anew without --resume"
        ) from None
    except InputError:
        raise
    except Exception as error:  # any type, where an entry holds something else than it should
        raise _unreadable(path, f"it is damaged ({type(error).__name__}: {first_line(error)})") from None
    return replace(wanted, course=course, results=results, position=position, validations=validations)


def _kept(modules: nn.Module, wanted: RunState) -> dict[str, Any]:
    """What the checkpoint leaves out, as it is."""
    return {key: it for key, it in modules.state_dict().items() if key in wanted.left_out}


def _hold_same_run(path: Path, stored: dict[str, Any], wanted: RunState) -> None:
    """Raise InputError that says what has changed since the checkpoint was written."""
    _parsed(path, stored["recipe"])
    identity = identity_of(wanted)
    if not wanted.left_out:
        identity["began_with"] = stored.get("began_with", "")  # all weights are in the checkpoint
    found = difference(stored, identity)
    if found is not None:
        kind, changes = found
        raise InputError(
            f"the checkpoint {path} belongs to {OTHER[kind]}{shown_changes(changes)}: resume with what it was made "
            "with, or start anew without --resume"
        )


def _changes(old: object, new: object, where: str = "") -> Iterator[str]:
    """What differs between two plain values: `tasks.t.batch was 4 and is 8`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _changes(old.get(key), new.get(key), f"{where}.{key}" if where else str(key))
    elif old != new:
        yield f"{where} was {_shown(old)} and is {_shown(new)}"


def _shown(value: object) -> str:
    text = "not there" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _parsed(path: Path, recipe: Any) -> Any:
    try:
        return json.loads(recipe)
    except (TypeError, ValueError):
        raise _unreadable(path, "its recipe is damaged") from None


def _read(path: Path) -> dict[str, Any]:
    """What `save_state` wrote; nothing but tensors and plain values is ever unpickled. Raises InputError."""
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                begin = file.read(4)
            cut = "it is cut short" if begin == b"PK\3\4" else "`composer train` did not write it"
            raise _unreadable(path, cut if begin else "it is empty")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    except pickle.UnpicklingError:
        cause = "its pickle is damaged, or asks for more than tensors and plain values, which is never loaded"
        raise _unreadable(path, cause) from None
    except Exception as error:  # torch raises many types for a damaged file
        raise _unreadable(path, f"it is damaged ({first_line(error)})") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT or not state.keys() >= ENTRIES:
        raise _unreadable(path, "`composer train` of this version did not write it")
    return state


def _unreadable(path: Path, cause: str) -> InputError:
    return InputError(
        f"the checkpoint {path} cannot be read: {cause}; put a copy of it back, or start anew without --resume"
    )
