"""Writes `tasks.md`: every task family of mPLUG-2, from the document `mplug2-tasks` itself.

python docs/make_tasks_page.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import composer
from composer.graph import Checked, CheckedTask
from composer.plugin import RowFormat

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
task's other modules, heads left aside. A task without an objective takes the weights that others trained; validation in
training can give the loss of an objective as well (`loss: true`). Hidden words are scored by the share that is told and
by their perplexity; captions that have begun, by what is told after their first half.
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
| hidden words | `core.mask_tokens`, `mplug2.masked_lm_loss` | hidden words of a text, alone or beside what is seen |
| prefix | `core.prefix_split` | the rest of a text that has begun |

A weight of the document is one wherever it is called: `composer train mplug2-tasks:vqav2 coco-caption ...` trains
several tasks jointly. Momentum teachers count by `distillation`: `published`, as the published training of question
answering does it, which leaves the loss as it is without them; `meant`, as the paper says: `--set distillation=meant`.
"""

FORMATS = """
## Data in the benchmarks' own formats

`--data FORMAT:FILE[,FILE]` reads official annotation files as they are, for `composer train`, for `composer evaluate`
and in a recipe (`data: {{train: "vqa-answers:q.json,a.json", ...}}`); `--media-root FOLDER` says where the pictures or
videos lie, and a picture is found in the folders that its benchmark has (`val2014/`, the folder of its class) as well.
Files are read one sample at a time, and joined on disk. A sample that cannot be read, or whose medium is not there, is
told with its place; `--bad-rows skip` trains without it, and `composer evaluate` counts it as failed. Where samples say
their split, `--split-by split` (training) and `--split NAME` (evaluation) take it. Columns that are not called as the
task's inputs are named by `--map INPUT=COLUMN`; `composer plugins show FORMAT` prints the columns.

| format | files | |
| --- | --- | --- |
{formats}

JSON needs the extra `rows` (ijson), and so does Parquet. The references of RefCOCO are a pickle: it is read without
running any code of it, and whole. Pictures in folders of their classes are data as they are. Retrieval is scored both
ways, and again after a closer look with `--rerank picture-match` (of videos: `--rerank video-match,add=true`). Whether
pairs match is scored on rows of your own with a column `matches`, 1 where the caption belongs to what is seen and 0
where not. Tasks that rank answers are given these for all rows: `answers=red answers=blue` behind the command's
options, or `answers=@FILE`, one a line.
"""

DATA: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("video-qa", "msrvtt-qa", "msvd-qa"), ("video-questions",) * 2),
    **dict.fromkeys(("image-qa", "vqav2", "okvqa"), ("vqa-answers", "vqa")),
    **dict.fromkeys(("image-qa-rank", "vqav2-rank", "okvqa-rank"), ("", "vqa")),
    **dict.fromkeys(
        ("video-qa-rank", "msrvtt-qa-rank", "msrvtt-qa-zero-shot", "msvd-qa-zero-shot"),
        ("", "video-questions"),
    ),
    "tgif-frame-qa": ("tgif-frameqa",) * 2,
    **dict.fromkeys(("image-caption", "coco-caption"), ("coco-captions", "coco-pictures")),
    "nocaps": ("", "coco-pictures"),
    **dict.fromkeys(("video-caption", "msrvtt-caption"), ("msrvtt-captions", "msrvtt-videos")),
    "msvd-caption": ("msvd-captions", "msvd-videos"),
    **dict.fromkeys(("coco-retrieval", "flickr30k-retrieval"), ("karpathy-captions",) * 2),
    **dict.fromkeys(("flickr30k-zero-shot", "picture-rerank"), ("", "karpathy-captions")),
    "msrvtt-retrieval": ("msrvtt-captions", "msrvtt-pairs"),
    **dict.fromkeys(("msrvtt-retrieval-zero-shot", "video-rerank"), ("", "msrvtt-pairs")),
    **dict.fromkeys(("picture-match", "video-match"), ("", "")),
    "didemo-retrieval": ("didemo",) * 2,
    "didemo-retrieval-zero-shot": ("", "didemo"),
    "lsmdc-retrieval": ("lsmdc",) * 2,
    **dict.fromkeys(("refcoco", "refcoco-plus", "refcocog"), ("refcoco",) * 2),
    **{name: (name,) * 2 for name in ("snli-ve", "nlvr2", "imagenet", "something-v2")},
    **dict.fromkeys(("kinetics-400", "kinetics-600", "kinetics-700"), ("kinetics",) * 2),
    **{
        f"{name}{told}": (f"glue-{name}",) * 2
        for name in ("sst2", "cola", "mrpc", "qqp", "mnli", "qnli", "rte", "stsb")
        for told in ("", "-told")
    },
    "masked-text": ("coco-captions",) * 2,
    **dict.fromkeys(("masked-caption", "prefixed-caption"), ("coco-captions",) * 2),
}
"""Task to the formats of its benchmark: what it is trained with, and what it is scored on; none where it has no
benchmark, and is scored on pairs of one's own."""

RERANKS = {
    "picture-rerank": ("coco-retrieval", "picture-match"),
    "video-rerank": ("msrvtt-retrieval", "video-match,add=true"),
}
"""Task that looks more closely among a batch: its scores depend on what the batch holds, so that it is scored over all
candidates, by the task of retrieval and the one that matches."""

LOSSES = {
    "core.class_loss": "class",
    "core.number_loss": "number",
    "mplug2.answer_loss": "answer",
    "mplug2.caption_loss": "caption",
    "core.contrastive": "contrastive",
    "core.matching_pairs": "matching",
    "mplug2.grounding_loss": "box",
    "mplug2.masked_lm_loss": "hidden words",
    "core.prefix_split": "prefix",
}


def page() -> str:
    report = composer.check(DOCUMENT).raise_for_errors()
    averages = sum(module.average is not None for module in report.modules.values())
    learn = sum(not module.type.stateless for module in report.modules.values()) - averages
    head = HEAD.format(tasks=len(report.tasks), modules=learn, averages=averages)
    columns = ("task", "", "takes", "modules", "shared with", "objective", "score", "data", "command")
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows(report)]
    return head + "\n" + "\n".join(lines) + "\n" + LEGEND + FORMATS.format(formats=formats_of(report))


def formats_of(report: Checked) -> str:
    """One line for each format of annotations."""
    formats = report.registry.formats.values()
    return "\n".join(f"| `{it.id}` | {files_of(it)} | {it.summary} |" for it in formats)


def files_of(entry: RowFormat) -> str:
    needed = len(entry.file_names) - entry.optional_files
    optional = "".join(f" [, {name}]" for name in entry.file_names[needed:])
    return ", ".join(entry.file_names[:needed]) + optional


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
            score_of(name, report),
            data_of(name),
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


def score_of(name: str, report: Checked) -> str:
    retrieval = RERANKS.get(name, (name,))[0]
    evaluation = report.tasks[retrieval].evaluation
    if evaluation is None:
        return ""
    if retrieval == name:
        return ", ".join(evaluation.metrics)
    return ", ".join(f"{each} reranked" for each in evaluation.metrics if "@" in each)


def command_of(name: str, task: CheckedTask) -> str:
    trained, scored = DATA[name]
    if name in RERANKS:
        retrieval, match = RERANKS[name]
        return f"`composer evaluate {DOCUMENT}:{retrieval} --data {scored}:FILES --rerank {match}`"
    if task.loss is not None:
        return f"`composer train {DOCUMENT}:{name} --data {trained}:FILES`"
    if not scored:
        return f"`composer evaluate {DOCUMENT}:{name} --data pairs.jsonl`"
    verb = "evaluate" if task.evaluation is not None else "run"
    return f"`composer {verb} {DOCUMENT}:{name} --{'data' if verb == 'evaluate' else 'rows'} {scored}:FILES`"


def data_of(name: str) -> str:
    trained, scored = DATA[name]
    if not scored:
        return "pairs of your own"
    return f"`{trained}`, scored on `{scored}`" if trained and trained != scored else f"`{scored}`"


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(PAGE.parents[1])}")


if __name__ == "__main__":
    main()
