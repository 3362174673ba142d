"""What a path of a document leads to, told by position: a node may be called `inputs`, an output `nodes`."""

from __future__ import annotations

from composer.problems import YamlPath

__all__ = ["role_of"]

_TOP: dict[str | int, str] = {"modules": "module", "pieces": "piece", "tasks": "task"}
_IN_TASK: dict[str | int, str] = {"inputs": "input", "nodes": "node", "outputs": "output"}


def role_of(path: YamlPath) -> str | None:
    """`module`, `piece`, `task`, `input`, `node` or `output` where a path ends at the name of one, or None."""
    if len(path) == 2:
        return _TOP.get(path[0])
    if path[:1] not in (("tasks",), ("pieces",)):
        return None
    inner = path[2:]
    section = inner[1:] if inner[:1] == ("objective",) and path[0] == "tasks" else inner
    return _IN_TASK.get(section[0]) if len(section) == 2 else None
