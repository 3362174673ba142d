"""Sessions with an artifact: programs that take the kept inputs alone run once, the others for every question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from composer.execution.kept_inputs import KeptInputs
from composer.plan import places_of
from composer_compile.runtime.loaded_parts import Part
from composer_compile.runtime.loaded_task import LoadedTask

__all__ = ["ArtifactSession"]


class ArtifactSession:
    """What `composer.execution.Session` is for a live model; what is kept is whole programs."""

    @torch.inference_mode()
    def __init__(self, task: LoadedTask, kept: Mapping[str, Any], seed: Any) -> None:
        self._task = task
        requests = task.requests
        drawn, taken = task.drawn(seed, kept)
        self._kept = KeptInputs(requests.host, taken)
        fitted, sizes = requests.fit(requests.tensors(self._kept.arrays))
        self._values: dict[str, Any] = dict(fitted)
        known = set(fitted)
        done: list[Part] = []
        for part in task.order:
            if known.issuperset(places_of(part.reads)):
                known.update(part.outputs)
                done.append(part)
        self._sizes = dict(sizes)
        task.walk(self._values, self._sizes, {}, drawn, done)
        self._rest = [part for part in task.order if part not in done]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs that `ask` takes."""
        return self._kept.others

    @torch.inference_mode()
    def ask(self, *, seed: Any = None, **asked: Any) -> dict[str, Any]:
        """One value per output, as `run` gives them; lists where the session or the question has lists.

        Raises InputError for inputs that are missing, unexpected or unusable, for one that the session keeps, and for
        another number of values than the session keeps.
        """
        task, requests = self._task, self._task.requests
        drawn, given = task.drawn(seed, asked, self._kept.raw)
        arrays, single = self._kept.asked(given)
        fitted, sizes = requests.fit(requests.tensors({**self._kept.arrays, **arrays}))
        values: dict[str, Any] = {**self._values, **fitted}
        task.walk(values, {**self._sizes, **sizes}, {}, drawn, self._rest)
        return task.answer(values, single=single)
