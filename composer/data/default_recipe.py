"""The recipe of a run that was given data and no recipe: what it does by default, as a file that can be edited."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

from composer.data.format_table import relative_data
from composer.graph import CheckedTask
from composer.graph.checked import split_part
from composer.language.yaml_line import yaml_line
from composer.recipes import DataRecipe, TaskRecipe

__all__ = ["Defaults", "data_text", "defaults_of", "recipe_text"]

BATCH = 16
WANTED_STEPS = 300
EPOCHS = (3, 10)
"""The fewest and the most that are chosen unbidden."""
FRESH, ADAPTED, TUNED = 1e-3, 3e-4, 5e-5
"""Learning rates where nothing that learns has trained weights, where adapters learn, and where trained weights do."""
WARMUP = 0.1
MOST_VALIDATED = 1000
"""Of more rows that are held out, the first so many are scored after an epoch, and all of them at the end."""


class Defaults:
    """What a run does where nobody says otherwise, with the reasons."""

    def __init__(self, rows: int, rate: float, why: str, fresh: Collection[str] = ()) -> None:
        self.batch = min(BATCH, rows)
        steps = -(-rows // self.batch)
        self.epochs = max(EPOCHS[0], min(EPOCHS[1], -(-WANTED_STEPS // steps)))
        self.learning_rate, self.why = rate, why
        self.fresh = tuple(fresh)
        """Modules beside trained ones that begin with fresh weights: they have a rate of their own."""
        self.validated = 0
        """Rows that are held out for validation."""


def defaults_of(task: CheckedTask, rows: int, given: Collection[str]) -> Defaults:
    """Defaults for so many rows. `given` names the modules to which a run gives weights that the document does not."""
    tuned, begun, adapted = list[str](), list[str](), False
    for node in task.nodes.values():
        module = node.module
        if node.part and split_part(node.part)[1]:
            adapted = True
        if module.freeze is True or module.type.stateless or module.name in (*tuned, *begun):
            continue
        declared = module.weights is not None and not module.weights.fresh
        trained = declared or module.name in given
        (tuned if trained else begun).append(module.name)
    if tuned:
        return Defaults(rows, TUNED, f"trained weights are tuned: {', '.join(tuned)}", begun)
    if adapted:
        return Defaults(rows, ADAPTED, "adapters learn")
    return Defaults(rows, FRESH, "what learns begins with fresh weights")


def recipe_text(
    document: str,
    task: CheckedTask,
    data: DataRecipe,
    defaults: Defaults,
    folder: Path = Path(),
    asked: Mapping[str, object] = MappingProxyType({}),
) -> str:
    """The recipe as YAML, for a file in `folder`. `asked` are values in the place of the defaults."""
    epochs, rate = asked.get("epochs", defaults.epochs), asked.get("learning_rate", defaults.learning_rate)
    why = "" if "learning_rate" in asked else f"   # {defaults.why}"
    lines = [
        "# What `composer train` does with these data. Every key is told in docs/training.md.",
        f"document: {yaml_line(document)}",
        f"epochs: {epochs}",
        f"learning_rate: {_number(rate)}{why}",
        f"warmup: {_number(asked.get('warmup', WARMUP))}",
        *_groups(defaults, asked),
        *_validation(defaults, task),
        *([f"seed: {asked['seed']}"] if "seed" in asked else []),
        "tasks:",
        f"  {yaml_line(task.name)}:",
        *(f"    {line}" for line in data_text(data, folder)),
        f"    batch: {asked.get('batch', defaults.batch)}",
        *_scoring(task),
    ]
    return "\n".join(lines) + "\n"


def _groups(defaults: Defaults, asked: Mapping[str, object]) -> list[str]:
    """A rate of their own for what begins fresh beside trained weights, which tolerate a small one alone."""
    if not defaults.fresh or "learning_rate" in asked:
        return []
    names = ", ".join(map(yaml_line, defaults.fresh))
    return [f"optimizer: {{groups: [{{weights: [{names}], learning_rate: {_number(FRESH)}}}]}}"]


def _validation(defaults: Defaults, task: CheckedTask) -> list[str]:
    """Scores after every epoch, where rows are held out; the weights with the least loss are kept beside the last."""
    if not defaults.validated:
        return []
    most = f", samples: {MOST_VALIDATED}" if defaults.validated > MOST_VALIDATED else ""
    return [f"validation: {{every: 1 epoch, loss: true, best: {yaml_line(f'{task.name}.loss')}{most}}}"]


def data_text(data: DataRecipe, folder: Path) -> list[str]:
    """The lines of `data:`, with paths relative to `folder`."""
    written = data.model_dump(exclude_defaults=True, exclude={"files"})
    files = {split: [relative_data(file, folder) for file in each] for split, each in data.files.items()}
    if "media_root" in written:
        written["media_root"] = relative_data(written["media_root"], folder)
    shown: object = {split: each[0] if len(each) == 1 else each for split, each in files.items()}
    if set(files) == {""}:
        shown = files[""][0] if len(files[""]) == 1 else files[""]
    if not written and not isinstance(shown, dict):  # the short form
        return [f"data: {yaml_line(shown)}"]
    return [
        "data:",
        f"  files: {yaml_line(shown)}",
        *(f"  {key}: {yaml_line(value)}" for key, value in written.items()),
    ]


def _scoring(task: CheckedTask) -> list[str]:
    if not TaskRecipe.model_fields["metrics"].is_required():
        return []
    target = next((name for name, item in task.inputs.items() if item.training), next(iter(task.inputs)))
    return [f"    output: {next(iter(task.outputs))}", f"    reference: {target}", "    metrics: {}"]


def _number(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    short = f"{value:.10g}"  # an exponent without a point is a text for readers of YAML 1.1
    return f"{value:.15f}".rstrip("0") if "e-" in short and value > 1e-12 else short
