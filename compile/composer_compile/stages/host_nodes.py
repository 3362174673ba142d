"""Nodes that work on the host: what they take or give is not a tensor (text), so no program holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from composer.plan import Plan, Step
from composer.plugin import Registry
from composer.types import Port
from composer_compile.errors import CompileError

__all__ = ["is_host_step", "without_host_steps"]


def is_host_step(step: Step, registry: Registry) -> bool:
    """Whether a node (no `generate` node) has a port that holds objects."""
    if step.node.generates:
        return False
    ports: Mapping[str, Port] = {**step.node.signature.inputs, **step.node.signature.outputs}
    kinds = [registry.kinds[port.type.kind] for port in ports.values()]
    return any(field.dtype == "object" for kind in kinds for field in kind.fields.values())


def without_host_steps(plan: Plan, registry: Registry) -> tuple[Plan, tuple[Step, ...]]:
    """The plan of the tensor programs, and the steps that run on the host after them.

    Raises:
        CompileError: a host step owns weights, or a program would have to wait for one.
    """
    host = tuple(step for step in plan.steps if is_host_step(step, registry))
    if not host:
        return plan, ()
    names = {step.name for step in host}
    for step in host:
        if not step.node.is_in_place:
            raise CompileError(
                f"node `{step.name}` works on the host and is a declared module; only types that are called in place "
                "(`uses`) can run beside the programs"
            )
    for step in plan.steps:
        waits = names & {plan.slots[slot][0] for slot in step.slots}
        if step.name not in names and waits:
            raise CompileError(
                f"node `{step.name}` needs what `{min(waits)}` makes on the host, which no program can"
            )
    stages = [
        replace(s, steps=tuple(step for step in s.steps if step.name not in names)) for s in plan.stages
    ]
    return replace(plan, stages=tuple(stage for stage in stages if stage.steps)), host
