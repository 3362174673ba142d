"""What programs have in common that compute the same, in one task or in several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from composer.plan import Plan
from composer_compile.stages.fingerprints import Digests, call_digest, step_digests
from composer_compile.stages.modules import StageModule
from composer_compile.stages.partition import Segment

__all__ = ["Identities"]


class Identities:
    """Tells programs of a plan apart by what they take, do and give, not by what that is called."""

    def __init__(self, plan: Plan, digests: Digests) -> None:
        self._plan = plan
        self._digests = digests

    def places(self, segment: Segment) -> Callable[[int], tuple[Any, ...]]:
        """In which order a program takes and gives slots: by what the calls are that read or make them.

        So it is the same for programs that do the same with other values.
        """
        found: dict[int, tuple[str, str]] = {}
        for step in (*segment.steps, *segment.starts):
            call = call_digest(step)
            for port, source in (*step.sources.items(), *step.targets.items()):
                for slot in (source,) if isinstance(source, int) else source:
                    found[slot] = min(found.get(slot, (call, port)), (call, port))
        return lambda slot: (found.get(slot, ()), self._digests.slots[slot], slot)

    def identity(self, segment: Segment, module: StageModule, carried: Sequence[int]) -> Any:
        """What two programs have in common that compute the same: the digests of what they take, do and give."""
        digests = self._digests.slots
        return (
            segment.precision,
            tuple(digests[slot] for slot in self._raw_slots(module)),
            tuple(digests[slot] for slot in carried),
            tuple(sorted(self._digests.steps[step.name] for step in segment.steps)),
            tuple(self._digests.steps[step.name] for step in segment.starts),
            tuple(digests[slot] for slot in module.wanted),
        )

    def computation(self, segment: Segment, module: StageModule, carried: Sequence[int]) -> Any:
        """The same of what a program does with what it takes, which counts by its place alone.

        What the program prepares by itself, such as frames, counts by how it is read.
        """
        own = module.program.prepared
        given = [*self._raw_slots(module), *carried]
        slots = {slot: f"given {position}" for position, slot in enumerate(given)}
        slots |= {slot: self._digests.read[slot] for slot in given if self._plan.slots[slot][0] in own}
        starts = [step.name for step in segment.starts]
        steps = step_digests((*segment.steps, *segment.starts), slots)
        return (
            segment.precision,
            tuple(sorted(made for name, made in steps.items() if name not in starts)),
            tuple(steps[name] for name in starts),
            tuple(slots[slot] for slot in module.wanted),
        )

    def _raw_slots(self, module: StageModule) -> list[int]:
        inputs = module.program.plan.inputs
        return [self._plan.slot((name, port)) for name, item in inputs.items() for port in item.ports]
