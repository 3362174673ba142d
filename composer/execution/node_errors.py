"""A module that fails while a task runs: which node it was, of which type, and what it was given."""

from __future__ import annotations

from collections.abc import Container, Iterator
from contextlib import contextmanager

import torch

from composer.execution.slot_values import Slots
from composer.interruptions import is_interruption
from composer.plan import Plan, Step
from composer.plugin.asking import fault_of, place_of_fault
from composer.problems import ComposerError

__all__ = ["NodeError", "hold_outputs", "node_errors"]


_CARRIED = (torch.Tensor, tuple, list)


class NodeError(ComposerError):
    """A node failed while running. The exception of the module is its `__cause__`."""


@contextmanager
def node_errors(plan: Plan, slots: Slots, names: Container[str] | None = None) -> Iterator[None]:
    """Turn whatever a module raises inside the block into a NodeError; errors that are clear already pass.

    Nodes run in the plan's order (those of `names` alone, where these are given) and each fills its slots, so the first
    with an empty one is the one that failed.
    """
    try:
        yield
    except (ComposerError, GeneratorExit):
        raise
    # A module is foreign code: sys.exit in it is its fault and no wish to end the program.
    except BaseException as error:
        if is_interruption(error):
            raise
        run = [step for step in plan.steps if names is None or step.name in names]
        failed = next((s for s in run if any(slots[t] is None for t in s.targets.values())), None)
        if failed is None:
            raise
        _blame_givers(plan, slots, failed)
        where = place_of_fault(error)
        given = "; ".join(_given(failed, slots))
        raise NodeError(
            f"{_named(failed, plan)} failed: {_reason(error)}{f' ({where})' if where else ''}. It was given {given}"
        ) from error


def _named(step: Step, plan: Plan) -> str:
    entry = step.node.module.type
    plugin = f" of the plugin {entry.plugin}" if entry.plugin else ""
    return f"node `{step.name}` of task `{plan.task.name}` ({step.callee}, {entry.id}{plugin})"


def _reason(error: BaseException) -> str:
    """What torch says, as it says it; of an exception whose text says little alone, its name too."""
    if isinstance(error, RuntimeError) and str(error):
        return " ".join(str(error).split()).rstrip(".")
    return f"it {fault_of(error)}".rstrip(".")


def hold_outputs(plan: Plan, slots: Slots) -> None:
    """Raises NodeError for the first node that gave what no port carries: a port has a tensor, a record or a list."""
    for step in plan.steps:
        for port, slot in step.targets.items():
            if not isinstance(slots[slot], _CARRIED):
                raise _returned(plan, step, port, slot, _plain(slots[slot]))


def _blame_givers(plan: Plan, slots: Slots, failed: Step) -> None:
    """Raises NodeError for the first node before the one that failed which gave something else than its type says."""
    for step in plan.steps[: plan.steps.index(failed)]:
        for port, slot in step.targets.items():
            if slots[slot] is not None and (found := _misfit(plan, slots, step, slot)):
                raise _returned(plan, step, port, slot, found)


def _returned(plan: Plan, step: Step, port: str, slot: int, found: str) -> NodeError:
    declared = plan.type_of(slot)
    dims = f"[{', '.join(str(dim.bare) for dim in declared.dims)}]" if declared.dims else ""
    return NodeError(f"{_named(step, plan)} returned {found} for its output `{port}` ({declared.name}{dims})")


def _misfit(plan: Plan, slots: Slots, step: Step, slot: int) -> str:
    """What a node gave where that is not what its type says; empty where nothing speaks against it."""
    value, declared = slots[slot], plan.type_of(slot)
    if not isinstance(value, _CARRIED):
        return _plain(value)
    first = value[0] if hasattr(value, "_fields") else value
    if isinstance(value, list):
        return ""
    if not isinstance(first, torch.Tensor):
        return f"a record with {_plain(first)}"
    alike = [slots[i] for i in range(len(plan.slots)) if i != slot and plan.type_of(i).kind == declared.kind]
    if isinstance(value, torch.Tensor) and any(hasattr(other, "_fields") for other in alike):
        return f"a bare tensor, {_described(value)},"
    fits = len(first.shape) == len(declared.dims) and all(
        not dim.is_number or dim.constant == size
        for dim, size in zip(declared.dims, first.shape, strict=True)
    )
    given = {tensor.dtype for tensor in _tensors(step, slots) if tensor.is_floating_point()}
    widened = first.dtype == torch.float64 and given and torch.float64 not in given
    return "" if fits and not widened else _described(first)


def _plain(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _tensors(step: Step, slots: Slots) -> Iterator[torch.Tensor]:
    for slot in step.slots:
        value = slots[slot]
        yield from (
            v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, torch.Tensor)
        )


def _given(step: Step, slots: Slots) -> Iterator[str]:
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
