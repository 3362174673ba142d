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
    return any(registry.kinds[port.type.kind].has_objects for port in ports.values())


def without_host_steps(plan: Plan, registry: Registry) -> tuple[Plan, tuple[Step, ...]]:
    """The plan with programs that hold tensor steps alone, and the host steps that nothing waits for.

    Those that a program or a search waits for stay in stages of their own, between the programs.

    Raises:
        CompileError: a host step owns weights.
    """
    host = tuple(step for step in plan.steps if is_host_step(step, registry))
    for step in host:
        if not step.node.is_in_place:
            raise CompileError(
                f"node `{step.name}` works on the host and is a declared module; only types that are called in place "
                "(`uses`) can run beside the programs"
            )
    waited = {step.name for stage in plan.stages if stage.kind == "host" for step in stage.steps}
    last = tuple(step for step in host if step.name not in waited)
    if not last:
        return plan, ()
    names = {step.name for step in last}
    stages = [
        replace(s, steps=tuple(step for step in s.steps if step.name not in names)) for s in plan.stages
    ]
    return replace(plan, stages=tuple(stage for stage in stages if stage.steps)), last
