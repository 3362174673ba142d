"""What several processes must have alike before they share a step: each may be on a machine with files of its own."""

from __future__ import annotations

from pathlib import Path

from composer.files import sha256_of
from composer.problems import InputError
from composer.training.learner import Learner
from composer.training.processes import Processes
from composer.training.state import OTHER, RunState, difference, identity_of, load_state, shown_changes

__all__ = ["hold_agreed", "load_agreed"]

OWN = {"document", "threads"}
"""Keys of a recipe that each process may have in its own way."""
HAS = {**OTHER, "weights": "other weights to begin with"}
"""What a process has that begins another run than the first, by what differs."""


def hold_agreed(state: RunState, processes: Processes) -> None:
    """Raise InputError, in all processes, where one of them begins another run than the first."""
    own = identity_of(state, free=OWN)
    first = processes.told(own)

    def hold() -> None:
        found = difference(first, own)
        if found is not None:
            kind, changes = found
            raise InputError(
                f"this process has {HAS[kind]} than process 1{shown_changes(changes)}: start all of them with the "
                "same document, recipe, data, weights and options"
            )

    processes.each(hold)


def load_agreed(path: Path, learner: Learner, wanted: RunState, processes: Processes) -> RunState:
    """`load_state` in all processes, of the same checkpoint. Raises what it raises, in all of them.

    Raises InputError where their checkpoints are not the same.
    """
    if processes.count > 1 and not processes.same(sha256_of(path) if path.is_file() else ""):
        raise InputError(
            f"the checkpoint {path} is not the same for all processes: copy that of the machine of process 1 to the "
            "others, or write into a folder that all of them see"
        )
    return processes.each(lambda: load_state(path, learner, wanted))
