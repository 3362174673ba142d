"""Which number format each node is compiled in: one for the task, and others for modules or nodes by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from composer.plan import Plan, Step
from composer.problems.suggest import unknown
from composer_compile.errors import CompileError

__all__ = ["DTYPE_OF", "PRECISIONS", "Precision", "check_precision_names", "precision_of"]

DTYPE_OF = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
PRECISIONS = tuple(DTYPE_OF)


@dataclass(frozen=True)
class Precision:
    """`default`, but for the modules and nodes that `named` names; a node's own name counts before its module's."""

    default: str
    named: Mapping[str, str] = field(default_factory=dict)

    def of(self, step: Step) -> str:
        module = "" if step.node.is_in_place else step.node.module.name
        return self.named.get(step.name, self.named.get(module, self.default))

    def used(self, plan: Plan) -> tuple[str, ...]:
        """Every precision that a node of the plan has, coarsest last."""
        found = {self.default, *(self.of(step) for step in plan.steps)}
        return tuple(name for name in PRECISIONS if name in found)


def precision_of(plan: Plan, default: str | None, named: Mapping[str, str]) -> Precision:
    """What the command says on top of the document's `compile:`; a default given by command replaces all of that."""
    shape = plan.task.compile
    if default is not None:
        return Precision(default, dict(named))
    return Precision(shape.precision, {**shape.precisions, **named})


def check_precision_names(plans: Iterable[Plan], named: Mapping[str, str]) -> None:
    """Raise CompileError for a name that is neither a module nor a node of any task, or for an unknown precision."""
    known = {name for plan in plans for step in plan.steps for name in (step.name, step.node.module.name)}
    for name, precision in named.items():
        if precision not in PRECISIONS:
            raise CompileError(str(unknown("precision", precision, PRECISIONS)))
        if name not in known:
            raise CompileError(str(unknown("module or node", name, sorted(known), "what is compiled")))
