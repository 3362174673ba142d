"""The checker of recipes: every name in one is held against the document and the plugins. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from composer.graph import Checked, CheckedEvaluation, CheckedTask, check, library_of
from composer.graph.configs import ConfigReader
from composer.graph.entries import EntryFinder
from composer.graph.telling import settled
from composer.language import Source, Tree
from composer.plugin import Config, Dataset, Registry, load_registry
from composer.problems import DocumentError, Problem, YamlPath
from composer.problems.suggest import nearest
from composer.recipes.data_recipe import DataRecipe
from composer.recipes.reading import UNSET, ReadRecipe, read
from composer.recipes.recipe_scores import RecipeScores
from composer.recipes.run_keys import check_run_keys
from composer.recipes.shape import Recipe, TaskRecipe

__all__ = ["RecipeReport", "check_recipe", "read_recipe"]


@dataclass(frozen=True)
class RecipeReport:
    """The outcome of checking a recipe: all problems in source order and, where there are none, what it names."""

    problems: tuple[Problem, ...]
    sources: Mapping[str, str]
    recipe: Recipe | None = None
    tree: Tree | None = None
    document: Checked | None = None
    datasets: Mapping[str, tuple[Dataset, Config]] = field(default_factory=dict)
    """Task to its dataset, with the validated config."""
    evaluations: Mapping[str, CheckedEvaluation] = field(default_factory=dict)
    """Task to what is scored of it, and how; the reference is a field of its samples."""
    data: Mapping[str, DataRecipe] = field(default_factory=dict)
    """Task to the user's own data, where it has no dataset."""
    folder: Path | None = None
    """Where paths in the recipe begin."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity == "error")

    def raise_for_errors(self) -> None:
        """Raise DocumentError with every error, if there is one."""
        if self.errors:
            raise DocumentError(self.errors, self.sources)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe by itself; raises DocumentError with everything that is wrong with its shape."""
    found = read(path)
    if found.findings:
        raise DocumentError(_in_order(found.findings), found.sources)
    return found.recipe


def check_recipe(
    recipe: Path | Source,
    *,
    registry: Registry | None = None,
    document: Checked | None = None,
    tasks: Iterable[str] | None = None,
    data: DataRecipe | None = None,
) -> RecipeReport:
    """Check a recipe. Never raises for what the file holds.

    Args:
        recipe: the file, or its text.
        registry: what the plugins offer; loaded from the installed ones when left out.
        document: the checked document that it trains; left out, the one that the recipe names under `document`, or
            `../NAME.yaml` for `training/NAME.yaml`. Without any, names are held against the plugins alone.
        tasks: check these tasks of the recipe alone.
        data: what stands in the place of the data of these tasks; its paths begin at the working directory.
    """
    registry = registry if registry is not None else load_registry()
    path = recipe if isinstance(recipe, Path) else recipe.path or Path(recipe.name)
    try:
        found = read(recipe)
    except DocumentError as error:
        return RecipeReport(error.problems, error.sources)
    if data is not None:
        found = _with_data(found, data, tasks)
    report = document if document is not None else _document_of(found, path, registry)
    checker = _Checker(found, registry, report, given=data is not None)
    checker.run(tasks)
    return RecipeReport(
        _in_order(found.findings),
        {**(report.sources if report else {}), **found.sources},
        found.recipe,
        found.tree,
        report,
        checker.datasets,
        checker.evaluations,
        checker.data,
        Path() if data is not None else path.parent,
    )


def _with_data(found: ReadRecipe, data: DataRecipe, tasks: Iterable[str] | None) -> ReadRecipe:
    """The recipe with other data for some of its tasks, or for all."""
    wanted = found.recipe.tasks if tasks is None else set(tasks)
    own: dict[str, object] = {"data": data, "dataset": None, "with_": {}}
    changed = {
        name: task.model_copy(update=own) if name in wanted else task
        for name, task in found.recipe.tasks.items()
    }
    return replace(found, recipe=found.recipe.model_copy(update={"tasks": changed}))


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(dict.fromkeys(settled(problems)), key=lambda p: (p.place.line, p.place.column)))


def _document_of(found: ReadRecipe, path: Path, registry: Registry) -> Checked | None:
    """The document that a recipe names, or the one beside which it lies; None where there is none."""
    wanted = found.recipe.document
    if wanted is None:
        beside = path.resolve().parent.parent / path.name
        report = check(beside, registry=registry) if _is_of_a_document(path, beside) else None
        return report.raise_for_errors() if report is not None and report.ok else None
    place = found.tree.place(("document",))
    target = library_of(registry).find(wanted, path.parent)
    if target is None or not target.is_file():
        known = sorted(registry.documents)
        guess = nearest(wanted, known)
        helps = [f"did you mean `{guess}`?"] if guess else []
        helps.append(f"a path is relative to the recipe; shipped documents: {', '.join(known) or 'none'}")
        message = f"there is no document `{wanted}`"
        found.findings.add(Problem("C401", "error", message, place, helps=tuple(helps)))
        return None
    report = check(target, registry=registry)
    if report.ok:
        return report.raise_for_errors()
    count = len(report.errors)
    message = (
        f"the document `{wanted}` has {count} error{'s' if count > 1 else ''}, so nothing can be trained"
    )
    help_ = f"`composer check {target}` shows them; the first: {report.errors[0].message}"
    found.findings.add(Problem("C401", "error", message, place, helps=(help_,)))
    return None


def _is_of_a_document(path: Path, beside: Path) -> bool:
    return path.resolve().parent.name == "training" and beside.is_file()


class _Checker:
    """Goes through the tasks of one recipe and collects what is wrong with the names in them."""

    def __init__(
        self, found: ReadRecipe, registry: Registry, report: Checked | None, *, given: bool = False
    ) -> None:
        self.found = found
        self.given = given
        """Whether the data are given beside the recipe."""
        self.tree = found.tree
        self.registry = registry
        self.report = report
        self.findings = found.findings
        self.datasets: dict[str, tuple[Dataset, Config]] = {}
        self.evaluations: dict[str, CheckedEvaluation] = {}
        self.data: dict[str, DataRecipe] = {}
        self._entries = EntryFinder(registry, self.tree, self.findings)
        path = found.source.path
        folders = {found.source.name: path.parent} if path is not None else {}
        self._configs = ConfigReader(self.tree, {}, self.findings, folders)

    def run(self, tasks: Iterable[str] | None) -> None:
        recipe = self.found.recipe
        faulty = self.findings.is_silent_within(("tasks",))
        if not recipe.tasks and not faulty and self.tree.node(("tasks",)):
            self._add(
                "C102", "the recipe trains nothing: `tasks` is empty", ("tasks",), "name a task", key=True
            )
        wanted = None if tasks is None else set(tasks)
        for name, task in recipe.tasks.items():
            if (wanted is None or name in wanted) and not self._stands_too_high(name):
                self._task(name, task)
        self._settle_restarts(recipe)
        check_run_keys(self.found, self.report, self.evaluations, wanted)

    def _settle_restarts(self, recipe: Recipe) -> None:
        if recipe.restarts and min(recipe.restarts) >= recipe.epochs and self._written("epochs"):
            help_ = f"the run ends after {recipe.epochs} epochs: name an epoch below that, or leave `restarts` out"
            message = "`restarts` names no epoch of the run"
            place = self.tree.place(("restarts",))
            self.findings.add(Problem("C407", "warning", message, place, helps=(help_,)))

    def _task(self, name: str, task: TaskRecipe) -> None:
        path: YamlPath = ("tasks", name)
        self._dataset(name, task, path)
        checked = self._checked_task(name, path)
        if checked is not None:
            self._fields(task, checked, path)
            self._group(task, checked, path)
        scored = RecipeScores(self.found, self.registry, self._entries, self._configs, path, task).read(
            checked
        )
        if scored is not None:
            self.evaluations[name] = scored

    def _stands_too_high(self, name: str) -> bool:
        """Whether what reads as a task is a key of the empty task before it, indented too little."""
        is_empty = bool(self.findings.silent_keys(("tasks",)))
        return is_empty and name in {field.alias or key for key, field in TaskRecipe.model_fields.items()}

    def _dataset(self, name: str, task: TaskRecipe, path: YamlPath) -> None:
        if self._holds_source(name, task, path) and task.data is not None:
            self.data[name] = task.data
        if task.dataset is None or not self._written(*path, "dataset"):
            return
        entry = self._entries.find(
            self.registry.datasets, task.dataset, (*path, "dataset"), "C403", "dataset"
        )
        if entry is None or not self._written(*path, "with", default=True):
            return
        config = self._configs.read(entry.config, task.with_, path, f"dataset {entry.id}")
        if config is not None:
            self.datasets[name] = entry, config

    def _holds_source(self, name: str, task: TaskRecipe, path: YamlPath) -> bool:
        """Whether a task says in one way where its data come from."""
        if self.given:
            return True
        written = [key for key in ("dataset", "data") if self.tree.node((*path, key)) is not None]
        if len(written) == 1 or self.findings.is_silent(path):
            return not self.findings.is_silent_within((*path, "data"))
        if written:
            help_ = "leave out `data`, or `dataset` and its `with`"
            self._add("C102", f"task `{name}` has `dataset` and `data`", (*path, "data"), help_, key=True)
        else:
            help_ = "write `data:` with a file of rows or a folder, or `dataset:` with a registered dataset"
            self._add("C102", f"task `{name}` needs the key `data` or `dataset`", path, help_, key=True)
        return False

    def _checked_task(self, name: str, path: YamlPath) -> CheckedTask | None:
        """The document's task, or None after reporting, and where there is no document."""
        if self.report is None:
            return None
        task = self.report.tasks.get(name)
        if task is None:
            trainable = [t for t, other in self.report.tasks.items() if other.loss is not None]
            message = f"{self.report.name} has no task `{name}`"
            self._unknown("C402", message, path, name, trainable, "tasks with an objective")
            return None
        if task.loss is None:
            message = f"task `{name}` of {self.report.name} has no objective, so it cannot be trained"
            help_ = "add an `objective` with a `loss` to it in the document, or take it out of the recipe"
            self._add("C402", message, path, help_, key=True)
            return None
        return task

    def _fields(self, task: TaskRecipe, checked: CheckedTask, path: YamlPath) -> None:
        for input_name in task.fields:
            if input_name not in checked.inputs:
                where = (*path, "fields", input_name)
                message = f"task `{checked.name}` has no input `{input_name}`"
                self._unknown("C404", message, where, input_name, list(checked.inputs), "its inputs")

    def _group(self, task: TaskRecipe, checked: CheckedTask, path: YamlPath) -> None:
        if task.group is None:
            return
        for key, name in (("by", task.group.by), ("counts", task.group.counts)):
            if name not in checked.inputs and self._written(*path, "group", key):
                message = f"task `{checked.name}` has no input `{name}`"
                where = (*path, "group", key)
                self._unknown("C404", message, where, name, list(checked.inputs), "its inputs", key=False)
        if task.group.by == task.group.counts != UNSET:
            message = f"`by` and `counts` are both `{task.group.by}`"
            help_ = "`by` is the input that samples share, `counts` the one that says how many share it"
            self._add("C404", message, (*path, "group", "counts"), help_)

    def _written(self, *path: str | int, default: bool = False) -> bool:
        """Whether a value is the author's own and sound; `default` is the answer where nothing is written."""
        if self.findings.is_silent(path):
            return False
        return self.tree.node(path) is not None or default

    def _unknown(
        self,
        code: str,
        message: str,
        path: YamlPath,
        name: str,
        known: list[str],
        what: str,
        *,
        key: bool = True,
    ) -> None:
        place = self.tree.place(path, key=key)
        guess = nearest(name, known)
        helps = [f"did you mean `{guess}`?"] if guess else []
        helps.append(f"{what}: {', '.join(known) or 'none'}")
        self.findings.add(Problem(code, "error", message, place, helps=tuple(helps)))

    def _add(self, code: str, message: str, path: YamlPath, help_: str, *, key: bool = False) -> None:
        place = self.tree.place(path, key=key)
        self.findings.add(Problem(code, "error", message, place, helps=(help_,)))
