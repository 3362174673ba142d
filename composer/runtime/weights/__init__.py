"""Weights: checkpoints read lazily, loaded strictly, and saved whole or not at all."""

from composer.runtime.weights.checkpoint import Checkpoint, read_checkpoint
from composer.runtime.weights.errors import WeightsError
from composer.runtime.weights.loading import load_weights
from composer.runtime.weights.plan import Assignment, LoadPlan, plan_loading
from composer.runtime.weights.report import LoadReport, ModuleLoad
from composer.runtime.weights.saving import save_weights

__all__ = [
    "Assignment",
    "Checkpoint",
    "LoadPlan",
    "LoadReport",
    "ModuleLoad",
    "WeightsError",
    "load_weights",
    "plan_loading",
    "read_checkpoint",
    "save_weights",
]
