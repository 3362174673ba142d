"""What a value is made of, as a digest: equal digests in two tasks mean the same modules called on equal inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from composer.graph import Range, is_batch
from composer.plan import Plan, Step
from composer_compile.stages.plugin_values import config_fields, files_of

__all__ = ["Digests", "call_digest", "step_digests"]


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
                files = files_of(item.modality, item.config)
                config = config_fields(item.config, item.modality.title, files)
                self.slots[plan.slot((name, port))] = _digest(
                    "input", name, item.modality.id, config, port, sizes
                )
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
    owner: Any = node.module.name
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
