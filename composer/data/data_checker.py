"""What `composer check` sees of the data in a recipe: files are there and hold rows, with the columns that are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from composer.data.data_columns import columns_of, inputs_of
from composer.data.data_faults import DataError
from composer.data.opening import open_data
from composer.language import Tree
from composer.problems import Problem, YamlPath
from composer.recipes import RecipeReport

__all__ = ["check_data", "problem_of"]


def check_data(report: RecipeReport) -> RecipeReport:
    """The report with the problems of the data that its tasks name. No row but the first ones is read."""
    if report.tree is None or report.recipe is None or report.document is None:
        return report
    problems: list[Problem] = []
    folder = report.folder or Path()
    for task, data in report.data.items():
        if task not in report.document.tasks:
            continue
        entry = report.recipe.tasks[task]
        inputs = inputs_of(report.document.tasks[task], entry)
        try:
            for _, table in open_data(data, folder, report.document.registry.formats):
                columns_of(table, inputs, task, data, entry, folder)
        except DataError as error:
            problems.append(problem_of(error, report.tree, task))
    found = sorted((*report.problems, *problems), key=lambda p: (p.place.line, p.place.column))
    return replace(report, problems=tuple(found))


def problem_of(error: DataError, tree: Tree, task: str) -> Problem:
    """The problem of a user's own data, at the value of the recipe that it is about."""
    path: YamlPath = ("tasks", task, "data", *error.key)
    while len(path) > 2 and tree.node(path) is None:
        path = path[:-1]
    return Problem(error.code, "error", error.message, tree.place(path), helps=error.helps)
