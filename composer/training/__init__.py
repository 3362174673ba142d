"""Training: a small loop over the objectives of a document. Importing this imports torch."""

from composer.training.loop import EpochResult, train_epochs
from composer.training.recipe import Recipe, TaskRecipe, read_recipe
from composer.training.training import evaluate_document, train_document

__all__ = [
    "EpochResult",
    "Recipe",
    "TaskRecipe",
    "evaluate_document",
    "read_recipe",
    "train_document",
    "train_epochs",
]
