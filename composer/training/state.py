"""The state of a run between two epochs: written whole or not at all, read back exactly."""

from __future__ import annotations

import os
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from composer.problems import InputError
from composer.training.recipe import Recipe

__all__ = ["load_state", "save_state", "write_whole"]

FORMAT = 1
ENTRIES = {"recipe", "results", "modules", "optimizer", "random"}


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save_state(
    path: Path,
    modules: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    results: list[dict[str, Any]],
) -> None:
    """Write model, optimizer, random state, the recipe, and the results of the epochs so far."""
    state = {
        "format": FORMAT,
        "recipe": _identity(recipe),
        "results": results,
        "modules": modules.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
    }
    write_whole(path, lambda temporary: torch.save(state, temporary))


def load_state(
    path: Path, modules: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe
) -> list[dict[str, Any]]:
    """Put a state back; returns the results of the epochs before it.

    Raises InputError when the file is missing, damaged, or belongs to another recipe or another model.
    """
    if not path.is_file():
        raise InputError(f"there is no checkpoint {path} to resume from: start the run without --resume")
    state = _read(path)
    if state["recipe"] != _identity(recipe):
        raise InputError(
            f"the checkpoint {path} belongs to another recipe: resume with the same one, or start anew"
        )
    try:
        modules.load_state_dict(state["modules"])
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError):
        raise InputError(f"the checkpoint {path} belongs to a model of another shape: start anew") from None
    torch.set_rng_state(state["random"])
    results: list[dict[str, Any]] = state["results"]
    return results


def _read(path: Path) -> dict[str, Any]:
    """What `save_state` wrote; nothing but tensors and plain values is ever unpickled. Raises InputError."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            begin = file.read(4)
        cut = "it is cut short" if begin == b"PK\3\4" else "`composer train` did not write it"
        raise _unreadable(path, cut if begin else "it is empty")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        cause = "its pickle is damaged, or asks for more than tensors and plain values, which is never loaded"
        raise _unreadable(path, cause) from None
    except Exception as error:  # torch raises many types for a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise _unreadable(path, f"it is damaged ({reason})") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT or not state.keys() >= ENTRIES:
        raise _unreadable(path, "`composer train` of this version did not write it")
    return state


def _unreadable(path: Path, cause: str) -> InputError:
    return InputError(
        f"the checkpoint {path} cannot be read: {cause}; put a copy of it back, or start anew without --resume"
    )


def _identity(recipe: Recipe) -> str:
    """What makes two runs the same run; the number of threads may change on the way."""
    return recipe.model_dump_json(by_alias=True, exclude={"threads"})
