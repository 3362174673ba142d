"""Weights: checkpoints read lazily, loaded strictly, and saved whole or not at all."""

from composer.weights.checkpoint import Checkpoint, read_checkpoint
from composer.weights.load_report import LoadReport, ModuleLoad
from composer.weights.loading import load_weights
from composer.weights.plan import Assignment, LoadPlan, plan_loading
from composer.weights.saving import save_weights
from composer.weights.weights_error import WeightsError

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
