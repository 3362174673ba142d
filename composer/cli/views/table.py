"""A document or a task as a table: what there is, what flows where, and which modules are shared."""

from __future__ import annotations

import re
from collections.abc import Mapping

from composer.cli.views.columns import columns
from composer.graph import CheckedNode, CheckedTask, Report
from composer.types import PortType

__all__ = ["callee", "document_text", "port_text", "task_text"]


def document_text(report: Report) -> str:
    """Parameters, modules with the tasks that call them, and tasks with what they take and give."""
    lines = [report.name]
    document = report.document
    if document is not None and document.shape.summary:
        lines.append(document.shape.summary)
    if document is not None and document.parameters:
        lines += [
            "",
            "parameters",
            *columns([(n, str(v)) for n, v in document.parameters.items()], indent="  "),
        ]
    if report.modules:
        users = _users(report)
        rows = [
            (name, module.type.id, ", ".join(users.get(name, ()))) for name, module in report.modules.items()
        ]
        lines += ["", "modules", *columns([("name", "uses", "called by"), *rows], indent="  ")]
    if report.tasks:
        rows = [
            (name, ", ".join(_main_inputs(task)), ", ".join(task.outputs))
            for name, task in report.tasks.items()
        ]
        lines += ["", "tasks", *columns([("name", "takes", "gives"), *rows], indent="  ")]
    return "\n".join(lines)


def _users(report: Report) -> Mapping[str, list[str]]:
    """The tasks that call each module, with the number of calls where there are several."""
    users: dict[str, list[str]] = {}
    for task in report.tasks.values():
        called = [
            node.module.name for node in task.nodes.values() if node.verb != "uses" and not node.training
        ]
        for name in dict.fromkeys(called):
            times = called.count(name)
            users.setdefault(name, []).append(f"{task.name} ({times} times)" if times > 1 else task.name)
    return users


def _main_inputs(task: CheckedTask) -> list[str]:
    return [name for name, item in task.inputs.items() if not item.training]


def task_text(task: CheckedTask) -> str:
    """Inputs, nodes in running order and outputs, each with its port types."""
    lines = [task.name]
    if task.summary:
        lines.append(task.summary)
    inputs = [
        (_marked(name, item.training), item.modality.id, "", _ports(item.ports))
        for name, item in task.inputs.items()
    ]
    nodes = []
    for name in task.order:
        node = task.nodes[name]
        types = {port: task.types[name, port] for port in node.signature.outputs}
        nodes.append((_marked(name, node.training), callee(node), _sources(node), _ports(types)))
    outputs = [
        (name, "", ".".join(endpoint), port_text(task.types[endpoint]))
        for name, endpoint in task.outputs.items()
    ]
    if task.loss is not None:
        outputs.append(("loss (training)", "", ".".join(task.loss), port_text(task.types[task.loss])))
    table = columns([("", "calls", "takes", "gives"), *inputs, *nodes, *outputs], indent="  ")
    head, rows = table[0], table[1:]
    first, second = len(inputs), len(inputs) + len(nodes)
    return "\n".join(
        [*lines, "", head, "inputs", *rows[:first], "nodes", *rows[first:second], "outputs", *rows[second:]]
    )


def callee(node: CheckedNode) -> str:
    """`module.method`, `generate module`, or the type of a node in place."""
    if node.verb == "uses":
        return node.module.type.id
    if node.verb == "generate":
        return f"generate {node.module.name}"
    return node.module.name if node.method == "forward" else f"{node.module.name}.{node.method}"


def _marked(name: str, training: bool) -> str:
    return f"{name} (training)" if training else name


def _sources(node: CheckedNode) -> str:
    parts = []
    for source in node.sources.values():
        many = isinstance(source[0], tuple)
        parts += [".".join(one) for one in source] if many else [".".join(source)]  # type: ignore[arg-type]
    return ", ".join(parts)


def _ports(ports: Mapping[str, PortType]) -> str:
    return ", ".join(f"{name}: {port_text(port)}" for name, port in ports.items())


def port_text(port: PortType) -> str:
    """A port type with the symbols that a reader knows: `B@video` reads `B`."""
    return re.sub(r"@[\w-]+", "", str(port))
