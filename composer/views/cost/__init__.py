"""What a document costs before any weight is loaded: parameters, floating-point operations, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.views.cost.cost import Cost, ModuleCost, StageCost, StepCost, TaskCost
from composer.views.cost.cost_text import cost_text
from composer.views.cost.sizes import NamedSizes, free_dims

if TYPE_CHECKING:
    from composer.graph import CheckedModule

__all__ = [
    "Cost",
    "ModuleCost",
    "NamedSizes",
    "StageCost",
    "StepCost",
    "TaskCost",
    "cost_text",
    "free_dims",
    "measure",
    "parameters_of",
]


def measure(*arguments: object, **keywords: object) -> Cost:
    """`composer.views.cost.measuring.measure`, imported when it is called: it needs torch."""
    from composer.views.cost import measuring

    return measuring.measure(*arguments, **keywords)  # type: ignore[arg-type]


def parameters_of(module: CheckedModule) -> int:
    """`composer.views.cost.measuring.parameters_of`, imported when it is called: it needs torch."""
    from composer.views.cost import measuring

    return measuring.parameters_of(module)
