"""Planning: from a typed task to a frozen order of steps in stages. Imports no torch."""

from composer.plan.planning import Plan, Stage, StageKind, Step, plan_objective, plan_task
from composer.plan.walking import (
    Call,
    Sources,
    Walked,
    Watch,
    current_watch,
    execute,
    pieces_inside,
    places_of,
    read_sources,
    result_of,
    watched,
    watching,
)

__all__ = [
    "Call",
    "Plan",
    "Sources",
    "Stage",
    "StageKind",
    "Step",
    "Walked",
    "Watch",
    "current_watch",
    "execute",
    "pieces_inside",
    "places_of",
    "plan_objective",
    "plan_task",
    "read_sources",
    "result_of",
    "watched",
    "watching",
]
