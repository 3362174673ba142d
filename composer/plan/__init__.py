"""Planning: from a typed task to a frozen order of steps in stages. Imports no torch."""

from composer.plan.planning import Plan, Stage, StageKind, Step, plan_objective, plan_task

__all__ = ["Plan", "Stage", "StageKind", "Step", "plan_objective", "plan_task"]
