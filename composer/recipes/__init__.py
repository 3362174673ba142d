"""Recipes: what trains which task, and how. Read and checked as documents are, without torch."""

from composer.recipes.data_recipe import DataRecipe, data_recipe, split_name
from composer.recipes.every import Every
from composer.recipes.reading import find_recipe, looks_like_recipe
from composer.recipes.recipe_checker import RecipeReport, check_recipe, read_recipe
from composer.recipes.shape import (
    GroupRecipe,
    OptimizerRecipe,
    Recipe,
    ScheduleRecipe,
    TaskRecipe,
    ValidationRecipe,
    WeightsRecipe,
)

__all__ = [
    "DataRecipe",
    "Every",
    "GroupRecipe",
    "OptimizerRecipe",
    "Recipe",
    "RecipeReport",
    "ScheduleRecipe",
    "TaskRecipe",
    "ValidationRecipe",
    "WeightsRecipe",
    "check_recipe",
    "data_recipe",
    "find_recipe",
    "looks_like_recipe",
    "read_recipe",
    "split_name",
]
