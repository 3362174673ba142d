"""Sessions: some inputs of a task are taken once, and what depends on them alone runs once; the others are asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from composer.execution.kept_inputs import KeptInputs
from composer.execution.node_errors import hold_outputs, node_errors

if TYPE_CHECKING:
    from composer.execution.runner import Runner

__all__ = ["Session"]


class Session:
    """A task with some of its inputs. `ask(question="...")` takes the others and answers as `run` with all of them.

    Nodes that depend on the kept inputs alone have run when the session opens; each `ask` runs the rest. Values are
    those of the moment when the session was opened. Thread-safe: asking changes nothing of the session.
    """

    @torch.inference_mode()
    def __init__(
        self,
        runner: Runner,
        kept: Mapping[str, object],
        seed: object,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._runner = runner
        self._device, self._dtype = device, dtype
        drawn, taken = runner.drawn(seed, kept)
        self._kept = KeptInputs(runner.inputs.host, taken)
        self._slots = runner.program.load_inputs(runner.inputs.tensors(self._kept.arrays, device, dtype))
        self._done = runner.plan.depending_on(self._kept.raw)
        with node_errors(runner.plan, self._slots, self._done):
            runner.walk(self._slots, drawn, self._done)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs that `ask` takes."""
        return self._kept.others

    @torch.inference_mode()
    def ask(self, *, seed: object = None, **asked: object) -> dict[str, Any]:
        """One value per output, as `run` gives them; lists where the session or the question has lists.

        Raises InputError for inputs that are missing, unexpected or unusable, for one that the session keeps, and for
        another number of values than the session keeps.
        """
        runner = self._runner
        runner.check_open()
        plan = runner.plan
        drawn, given = runner.drawn(seed, asked, self._kept.raw)
        arrays, single = self._kept.asked(given)
        tensors = runner.inputs.tensors(arrays, self._device, self._dtype)
        slots = list(self._slots)
        for slot, value in enumerate(runner.program.load_inputs(tensors)):
            if value is not None:
                slots[slot] = value
        rest = frozenset(step.name for step in plan.steps) - self._done
        with node_errors(plan, slots, rest):
            runner.walk(slots, drawn, rest)
            hold_outputs(plan, slots)
        return runner.answer(slots, single=single)
