"""Writes `tasks.md`: every task family of mPLUG-2, from the document `mplug2-tasks` itself.

python docs/make_tasks_page.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from composer_mplug2.annotations import FORMATS

import composer
from composer.graph import Checked, CheckedTask
from composer.language import TaskShape

PAGE = Path(__file__).with_name("tasks.md")
DOCUMENT = "mplug2-tasks"

HEAD = """\
# The tasks of mPLUG-2

<!-- Written by docs/make_tasks_page.py from graphs/mplug2-tasks.yaml; a test holds it current. -->

The document `mplug2-tasks` declares the task families of mPLUG-2 over one set of modules: {tasks} tasks,
{modules} modules that learn, and {averages} momentum teachers that training alone sees. `composer show mplug2-tasks`
shows it, `composer show mplug2-tasks:vqav2` one task of it. What is not in the published code (which has question
answering and captioning of videos) is declared after the paper's figures and the code of its predecessor mPLUG.

Every task goes through the shared layers `universal`. *Shared with* counts the tasks that call at least one of a
task's other modules, heads left aside. A task without an objective takes the weights that others trained; one without
a score here has none that is declared yet.
"""

LEGEND = """
## The objectives

| loss | module type | |
| --- | --- | --- |
| class | `core.class_loss` | cross entropy of a classifier |
| number | `core.number_loss` | squared difference of a regression |
| answer | `mplug2.answer_loss` | answers with weights; a teacher counts as `distillation` says |
| caption | `mplug2.caption_loss` | the tokens after the prompt |
| contrastive | `core.contrastive` | partners among the batch and a queue, with a momentum teacher's soft targets |
| matching | `core.matching_pairs` | pairs with hard negatives, by a closer look of the fusion |
| box | `mplug2.grounding_loss` | coordinate tokens, weighted by how far off the likeliest box is |
| hidden words | `core.mask_tokens` | masked language modelling, of a text alone or with what is seen |
| prefix | `core.prefix_split` | the rest of a text that has begun |

A weight of the document is one wherever it is called: `composer train mplug2-tasks:vqav2 coco-caption ...` trains
several tasks jointly. Momentum teachers count by `distillation`: `published`, as the published training of question
answering does it, which leaves the loss as it is without them; `meant`, as the paper says: `--set distillation=meant`.
"""

DATA = """
## Data in the benchmarks' own formats

`--data` takes rows, and `python -m composer_mplug2.annotations FORMAT FILES --media FOLDER --out rows.jsonl` makes rows
of official annotation files. It counts the samples that it writes, and those whose medium is not there. Columns that
are not called as the task's inputs are named by `--map INPUT=COLUMN`.

| format | of |
| --- | --- |
{formats}

Pictures in folders of their classes (ImageNet) are data as they are.
"""

LOSSES = {
    "core.class_loss": "class",
    "core.number_loss": "number",
    "mplug2.answer_loss": "answer",
    "mplug2.caption_loss": "caption",
    "core.contrastive": "contrastive",
    "core.matching_pairs": "matching",
    "mplug2.grounding_loss": "box",
    "core.mask_tokens": "hidden words",
    "core.prefix_split": "prefix",
}


def page() -> str:
    report = composer.check(DOCUMENT).raise_for_errors()
    averages = sum(module.average is not None for module in report.modules.values())
    learn = sum(not module.type.stateless for module in report.modules.values()) - averages
    head = HEAD.format(tasks=len(report.tasks), modules=learn, averages=averages)
    columns = ("task", "", "takes", "modules", "shared with", "objective", "score", "command")
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows(report)]
    formats = "\n".join(f"| `{name}` | {(it.read.__doc__ or '').strip()} |" for name, it in FORMATS.items())
    return head + "\n" + "\n".join(lines) + "\n" + LEGEND + DATA.format(formats=formats)


def rows(report: Checked) -> Iterator[tuple[str, ...]]:
    """One row of cells for each task."""
    own = {name: modules_of(task) for name, task in report.tasks.items()}
    for name, task in report.tasks.items():
        shape = report.document.shape.tasks[name]
        common = {each for each in own[name] if not each.endswith("_head") and each != "universal"}
        shared = sum(bool(common & set(own[other])) for other in own if other != name)
        takes = ", ".join(item.modality.id for item in task.inputs.values() if not item.training)
        yield (
            f"`{name}`",
            " ".join(shape.summary.split()),
            takes,
            ", ".join(own[name]),
            f"{shared} tasks",
            objective_of(task),
            score_of(shape),
            command_of(name, task),
        )


def modules_of(task: CheckedTask) -> list[str]:
    """The modules with weights that answering calls, in order."""
    calls = (node.module for node in task.nodes.values() if not node.training)
    return list(dict.fromkeys(module.name for module in calls if module.name and not module.type.stateless))


def objective_of(task: CheckedTask) -> str:
    if task.loss is None:
        return ""
    used = dict.fromkeys(node.module.type.id for node in task.nodes.values() if node.training)
    return " + ".join(LOSSES[each] for each in used if each in LOSSES)


def score_of(shape: TaskShape) -> str:
    evaluation = shape.evaluation
    if evaluation is None or not evaluation.metrics:
        return ""
    return ", ".join(evaluation.metrics)


def command_of(name: str, task: CheckedTask) -> str:
    if task.loss is not None:
        return f"`composer train {DOCUMENT}:{name} --data FILE`"
    return f"`composer run {DOCUMENT}:{name} --rows FILE`"


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(PAGE.parents[1])}")


if __name__ == "__main__":
    main()
