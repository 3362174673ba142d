"""A module that fails while a task runs: which node it was, of which type, and what it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from composer.plan import Plan, Step
from composer.problems import ComposerError

__all__ = ["NodeError", "naming_the_node"]


class NodeError(ComposerError):
    """A node failed while running. The exception of the module is its `__cause__`."""


@contextmanager
def naming_the_node(plan: Plan, slots: list[Any]) -> Iterator[None]:
    """Turn whatever a module raises inside the block into a NodeError; errors that are clear already pass.

    Nodes run in the plan's order and each fills its slots, so the first with an empty one is the one that failed.
    """
    try:
        yield
    except ComposerError:
        raise
    except Exception as error:
        failed = next((s for s in plan.steps if any(slots[t] is None for t in s.targets.values())), None)
        if failed is None:
            raise
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        given = "; ".join(_given(failed, slots))
        raise NodeError(
            f"node `{failed.name}` of task `{plan.task.name}` ({failed.callee}, {failed.node.module.type.id}) "
            f"failed: {reason}. It was given {given}"
        ) from error


def _given(step: Step, slots: list[Any]) -> Iterator[str]:
    for port, source in step.sources.items():
        for value in (slots[i] for i in (source if isinstance(source, tuple) else (source,))):
            fields = value._asdict() if hasattr(value, "_asdict") else {"": value}
            for name, item in fields.items():
                if isinstance(item, torch.Tensor):
                    yield f"{port}{'.' if name else ''}{name} {_described(item)}"


def _described(tensor: torch.Tensor) -> str:
    """`int64[1, 7] from 0 to 102`: of whole numbers the extremes are told, as they are often an index too large."""
    text = f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
    # On another device a failed kernel may have spoilt every later question.
    if tensor.is_floating_point() or tensor.numel() == 0 or tensor.device.type != "cpu":
        return text
    return f"{text} from {int(tensor.min())} to {int(tensor.max())}"
