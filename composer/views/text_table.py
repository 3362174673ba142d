"""A document or a task as a table: what there is, what flows where, and which modules are shared."""

from __future__ import annotations

import re
from collections.abc import Mapping

from composer.graph import Checked, CheckedEvaluation, CheckedModule, CheckedTask, Endpoint
from composer.views.columns import columns
from composer.views.labels import (
    Labels,
    callee_text,
    names_when_closed,
    source_texts,
    source_texts_of,
    training_text,
    value_text,
)
from composer.views.sharing import module_uses

__all__ = ["document_text", "scores_shown", "task_text"]

_CONFIG_CELLS = 64


def document_text(report: Checked, *, closed: bool = False) -> str:
    """Parameters, modules with the tasks that call them, pieces, and every task with its nodes in running order."""
    document = report.document
    blocks = [_head(report.name, document.shape.summary if document is not None else "")]
    if document is not None and document.parameters:
        rows = [(name, value_text(value)) for name, value in document.parameters.items()]
        blocks.append(["parameters", *columns(rows, indent="  ")])
    if report.modules:
        uses = module_uses(report)
        trains = any(module.freeze or module.adapters or module.average for module in report.modules.values())
        modules = [
            (
                name,
                module.type.id,
                _config(report, module),
                *([training_text(module)] if trains else []),
                uses[name].text(),
            )
            for name, module in report.modules.items()
        ]
        heads = ("modules", "uses", "with", *(["training"] if trains else []), "called by")
        table = columns([heads, *modules])
        blocks.append([table[0], *_indented(table[1:])])
    if any(module.weights is not None for module in report.modules.values()):
        blocks.append(_weights(report))
    if document.shape.pieces:
        blocks.append(_pieces(report))
    blocks += [_task_lines(task, head=f"task {task.name}", closed=closed) for task in report.tasks.values()]
    return "\n\n".join("\n".join(block) for block in blocks)


def task_text(task: CheckedTask, *, closed: bool = False) -> str:
    """Inputs, nodes in running order and outputs, each with its port types; `closed` leaves out what is in pieces."""
    return "\n".join(_task_lines(task, head=f"task {task.name}", closed=closed))


_DECIDES = (
    "the first decides: --init, --weights MODULE=FILE, --weights FILE, the document, what ships with it"
)


def _weights(report: Checked) -> list[str]:
    """What gives every module its weights where no command says otherwise."""
    from composer.sources.choosing import sources_shown

    rows = list(sources_shown(report))
    table = columns([("weights", "from", "said by"), *rows])
    return [table[0], *_indented(table[1:]), f"  ({_DECIDES})"]


def _pieces(report: Checked) -> list[str]:
    """The pieces with their ports, and the tasks that use them."""
    rows = []
    for name, piece in report.document.shape.pieces.items():
        counts = {
            task.name: sum(use.callee.body.name == name for use in task.uses.values())
            for task in report.tasks.values()
        }
        users = [task if count == 1 else f"{task} ({count} uses)" for task, count in counts.items() if count]
        takes = ", ".join(f"{port}: {text}" for port, text in piece.inputs.items())
        rows.append((name, takes, ", ".join(piece.outputs), ", ".join(users) or "nothing"))
    table = columns([("pieces", "takes", "gives", "used by"), *rows])
    return [table[0], *_indented(table[1:])]


def _head(name: str, summary: str) -> list[str]:
    return [name, " ".join(summary.split())] if summary else [name]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _config(report: Checked, module: CheckedModule) -> str:
    """What the document sets, with parameters filled in, and what the checker found out from the calls."""
    if module.average is not None:
        return f"as {module.average.of}"
    shape = report.document.shape.modules[module.name]
    values: dict[str, object] = dict(shape.with_)
    for name in type(module.config).model_fields:
        if (
            name not in values
            and getattr(module.config, name) != type(module.config).model_fields[name].default
        ):
            values[name] = getattr(module.config, name)
    return _clipped([f"{name}: {value_text(value)}" for name, value in values.items()])


def _clipped(items: list[str]) -> str:
    """As many of the items as fit into the column."""
    size = 0
    for index, item in enumerate(items):
        size += len(item) + 2
        if index and size > _CONFIG_CELLS:
            return ", ".join([*items[:index], "…"])
    return ", ".join(items)


def _task_lines(task: CheckedTask, *, head: str, closed: bool) -> list[str]:
    labels = Labels(task)
    inputs = [
        (_marked(name, item.training), item.reads, "", _ports(labels, name, item.ports))
        for name, item in task.inputs.items()
    ]
    nodes = []
    told: set[str] = set()
    names = names_when_closed(task) if closed else {}
    for name in task.order:
        around = [name[: end.start()] for end in re.finditer("/", name)]
        nodes += [
            _use(task, labels, use, names) for use in (around[:1] if closed else around) if use not in told
        ]
        told.update(around)
        if closed and around:
            continue
        node = task.nodes[name]
        gives = _ports(labels, name, node.signature.outputs)
        nodes.append(
            (_marked(name, node.training), callee_text(node), ", ".join(source_texts(node, names)), gives)
        )
    outputs = [
        (name, "", names.get(end) or ".".join(end), labels.output(end)) for name, end in task.outputs.items()
    ]
    if task.loss is not None:
        outputs.append(("loss (objective)", "", ".".join(task.loss), labels.output(task.loss)))
    scores = [] if task.evaluation is None else scores_shown(task.evaluation)
    table = columns([("", "calls", "takes", "gives"), *inputs, *nodes, *outputs, *scores], indent="    ")
    first, second = 1 + len(inputs), 1 + len(inputs) + len(nodes)
    third = second + len(outputs)
    sections = (
        ("inputs", table[1:first]),
        ("nodes", table[first:second]),
        ("outputs", table[second:third]),
        ("evaluation", table[third:]),
    )
    titled = [line for title, rows in sections if rows for line in (f"  {title}", *rows)]
    return [*_head(head, task.summary), table[0], *titled]


def scores_shown(evaluation: CheckedEvaluation) -> list[tuple[str, str, str, str]]:
    """A line for each score: its metric, what that takes, and what it is compared with."""
    outputs = ", ".join(evaluation.outputs)
    rows = []
    for name, each in evaluation.metrics.items():
        given = each.config.model_dump(mode="json", fallback=str, exclude_unset=True)
        config = ", ".join(f"{key}: {value_text(value)}" for key, value in given.items())
        against = f" against {evaluation.reference}" if each.metric.needs_reference else ""
        rows.append(
            (name, f"{each.metric.id}{f' ({config})' if config else ''}", f"{outputs}{against}", "score")
        )
    return rows


def _use(
    task: CheckedTask, labels: Labels, name: str, names: Mapping[Endpoint, str]
) -> tuple[str, str, str, str]:
    """The line of a use of a piece, which stands before what is inside of it."""
    use = task.uses[name]
    ends = {port: use.shown(port) for port in use.callee.body.outputs}
    gives = ", ".join(f"{port}: {labels.output(end)}" for port, end in ends.items() if end is not None)
    training = any(node.training for node in task.nodes.values() if node.name.startswith(f"{name}/"))
    takes = ", ".join(source_texts_of(use, names))
    return _marked(name, training), f"piece {use.callee.body.name}", takes, gives


def _marked(name: str, training: bool) -> str:
    return f"{name} (objective)" if training else name


def _ports(labels: Labels, owner: str, ports: Mapping[str, object]) -> str:
    return ", ".join(f"{port}: {labels.output((owner, port))}" for port in ports)
