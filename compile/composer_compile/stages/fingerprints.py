"""What a value is made of, as a digest: equal digests in two tasks mean the same modules called on equal inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from composer.graph import Range, is_batch
from composer.plan import Plan, Step

__all__ = ["Digests"]


class Digests:
    """Digests of a plan's slots and steps. Names of nodes do not count; modules and inputs count by their names.

    Inputs count with the ranges of their sizes, too: tasks of other sizes have other programs.
    """

    def __init__(self, plan: Plan, ranges: Mapping[str, Range]) -> None:
        self.slots: dict[int, str] = {}
        self.steps: dict[str, str] = {}
        for name, item in plan.inputs.items():
            sizes = {
                key: str(found)
                for key, found in ranges.items()
                if is_batch(key) or key.startswith(f"{name}.")
            }
            for port in item.ports:
                # Where a vocabulary lies changes no program.
                files = item.modality.files(item.config) if item.modality.files is not None else {}
                config = item.config.model_dump(mode="json", exclude=set(files))
                self.slots[plan.slot((name, port))] = _digest(
                    "input", name, item.modality.id, config, port, sizes
                )
        for step in plan.steps:
            made = _digest(*_callee(step), self._sources(step))
            self.steps[step.name] = made
            for port, slot in step.targets.items():
                self.slots[slot] = _digest(made, port)

    def _sources(self, step: Step) -> Mapping[str, Any]:
        return {
            port: self.slots[slot] if isinstance(slot, int) else [self.slots[each] for each in slot]
            for port, slot in step.sources.items()
        }


def _callee(step: Step) -> tuple[Any, ...]:
    node = step.node
    owner: Any = node.module.name
    if node.verb == "uses":  # no name of its own: what it does is its type and config
        owner = [node.module.type.id, node.module.config.model_dump(mode="json")]
    options = node.options.model_dump(mode="json") if node.options is not None else None
    return node.verb, owner, node.method, options


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]
