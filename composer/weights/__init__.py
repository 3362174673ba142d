"""Weights: checkpoints read lazily, loaded strictly, and saved whole or not at all."""

from composer.sources.weights_error import WeightsError
from composer.weights.checkpoint import Checkpoint, read_checkpoint
from composer.weights.converting import Conversion, convert
from composer.weights.cures import Cures
from composer.weights.load_report import LoadReport, ModuleLoad
from composer.weights.loading import SourcePart, load_sources, load_weights
from composer.weights.plan import Assignment, LoadPlan, plan_loading
from composer.weights.saving import save_weights

__all__ = [
    "Assignment",
    "Checkpoint",
    "Conversion",
    "Cures",
    "LoadPlan",
    "LoadReport",
    "ModuleLoad",
    "SourcePart",
    "WeightsError",
    "convert",
    "load_sources",
    "load_weights",
    "plan_loading",
    "read_checkpoint",
    "save_weights",
]
