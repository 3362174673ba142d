"""Who calls what: every declared module with the tasks and nodes that share its weights."""

from __future__ import annotations

from dataclasses import dataclass, field

from composer.graph import Checked

__all__ = ["Use", "module_uses"]


@dataclass
class Use:
    """The calls of one module: task to the names of its nodes that call it. Training-only nodes are kept apart."""

    calls: dict[str, list[str]] = field(default_factory=dict)
    training: dict[str, list[str]] = field(default_factory=dict)

    @property
    def shared(self) -> bool:
        """Whether more than one node uses the weights."""
        return sum(map(len, self.calls.values())) > 1

    def text(self) -> str:
        """`video-qa (2 calls), caption`; tasks that call the module in their objective alone come last."""
        shown = [
            task if len(nodes) == 1 else f"{task} ({len(nodes)} calls)" for task, nodes in self.calls.items()
        ]
        shown += [f"{task} (objective)" for task in self.training if task not in self.calls]
        return ", ".join(shown) or "nothing"


def module_uses(report: Checked) -> dict[str, Use]:
    """The uses of every declared module, in the document's order."""
    uses = {name: Use() for name in report.modules}
    for task in report.tasks.values():
        for name in task.order:
            node = task.nodes[name]
            if not node.is_in_place:
                use = uses[node.module.name]
                (use.training if node.training else use.calls).setdefault(task.name, []).append(name)
    return uses
