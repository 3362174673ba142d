"""Training: a small loop over the objectives of a document. Importing this imports torch."""

from composer.recipes import Recipe, TaskRecipe, read_recipe
from composer.training.final_scores import evaluate_document
from composer.training.loop import EpochResult, train_epochs
from composer.training.train import check_training, train_document

__all__ = [
    "EpochResult",
    "Recipe",
    "TaskRecipe",
    "check_training",
    "evaluate_document",
    "read_recipe",
    "train_document",
    "train_epochs",
]
