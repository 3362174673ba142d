"""What a value is made of, as a digest: equal digests in two tasks mean the same modules called on equal inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from composer.execution.read_files import files_of
from composer.plan import Plan, Step
from composer_compile.stages.plugin_values import config_fields
from composer_compile.tensors.free_dims import FreeDims

__all__ = ["Digests", "call_digest", "step_digests"]


class Digests:
    """Digests of a plan's slots and steps. Names of nodes do not count; modules and inputs count by their names.

    Inputs count with the ranges of their sizes, too: tasks of other sizes have other programs.
    """

    def __init__(self, plan: Plan, free: FreeDims) -> None:
        self.slots: dict[int, str] = {}
        self.read: dict[int, str] = {}
        """How an input is read into a slot: the digest of its modality and config alone."""
        for name, item in plan.inputs.items():
            # Where a vocabulary lies changes no program.
            config = config_fields(item.config, item.modality.title, files_of(item.modality, item.config))
            host = {port: str(type_) for port, type_ in free.host[name].items()}
            used = {
                symbol for type_ in free.host[name].values() for dim in type_.dims for symbol in dim.symbols
            }
            sizes = {str(symbol): str(free.ranges[symbol]) for symbol in used if symbol in free.ranges}
            for port in item.ports:
                slot = plan.slot((name, port))
                self.read[slot] = _digest("input", item.modality.id, config, port)
                self.slots[slot] = _digest(self.read[slot], name, host, sizes)
        self.steps = step_digests(plan.steps, self.slots)


def step_digests(steps: Iterable[Step], slots: dict[int, str]) -> dict[str, str]:
    """The digests of steps by name. `slots` holds those of what they take, and gets those of what they give."""
    found = {}
    for step in steps:
        sources = {
            port: slots[slot] if isinstance(slot, int) else [slots[each] for each in slot]
            for port, slot in step.sources.items()
        }
        found[step.name] = made = _digest(*_callee(step), sources)
        for port, slot in step.targets.items():
            slots[slot] = _digest(made, port)
    return found


def call_digest(step: Step) -> str:
    """The digest of what a step calls, whatever it is called with."""
    return _digest(*_callee(step))


def _callee(step: Step) -> tuple[Any, ...]:
    node = step.node
    owner: Any = node.part
    if node.is_in_place:  # no name of its own: what it does is its type and config
        owner = [node.module.type.id, config_fields(node.module.config, node.module.type.title)]
    title = f"node `{step.name}`"
    options = config_fields(node.options, title) if node.options is not None else {}
    options.pop("search", None)  # however it is written: what it means counts
    call = node.callee.key, owner, node.method, options
    if not node.generates:
        return call
    search = node.decoding.search
    return *call, [search.policy.id, config_fields(search.config, search.policy.title)]


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]
