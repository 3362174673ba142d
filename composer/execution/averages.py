"""Moving averages of modules: how they begin, and what a step of training does to them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

import torch
from torch import nn

from composer.graph import Checked
from composer.graph.checked import split_part
from composer.graph.moving_averages import CheckedAverage

__all__ = ["averages_of", "begin_averages", "move_averages", "uncalled", "with_followed"]


def averages_of(report: Checked) -> dict[str, CheckedAverage]:
    """The modules of a document that are averages, to what they follow."""
    return {name: module.average for name, module in report.modules.items() if module.average is not None}


def with_followed(report: Checked, names: Iterable[str]) -> tuple[str, ...]:
    """Names of what runs, and of the modules that the averages among them follow."""
    found, averages = dict.fromkeys(names), averages_of(report)
    owners = (split_part(name)[0] for name in tuple(found))
    return tuple({**found, **{averages[name].of: None for name in owners if name in averages}})


def uncalled(report: Checked, called: Iterable[str]) -> dict[str, frozenset[str]]:
    """The modules that stand for averages alone, each with those of the called ones that follow it."""
    owners = {split_part(name)[0] for name in called}
    found: dict[str, frozenset[str]] = {}
    for name, average in averages_of(report).items():
        if name in owners and average.of not in owners:
            found[average.of] = found.get(average.of, frozenset()) | {name}
    return found


def begin_averages(
    averages: Mapping[str, CheckedAverage],
    modules: Mapping[str, nn.Module],
    initial: Container[str] | None = None,
) -> None:
    """Let averages that nothing gave weights begin as what they follow.

    `initial` names the tensors that kept their initial values; None stands for all.
    """
    for name, average in averages.items():
        if name not in modules or average.of not in modules:
            continue
        tensors = modules[name].state_dict()
        if initial is None or all(f"{name}.{key}" in initial for key in tensors):
            modules[name].load_state_dict(modules[average.of].state_dict())


@torch.no_grad()
def move_averages(
    averages: Mapping[str, CheckedAverage], modules: Mapping[str, nn.Module], names: Iterable[str]
) -> None:
    """Move those of `names` on, as a step of training does before it reads them: a little towards what they follow.

    What is no real number, such as a count of steps, is taken over.
    """
    for name in names:
        average = averages.get(name)
        if average is None or average.of not in modules or average.momentum == 1:
            continue
        followed, own = _tensors(modules[average.of]), _tensors(modules[name])
        for key, tensor in own.items():
            if tensor.is_floating_point():
                tensor.mul_(average.momentum).add_(followed[key], alpha=1 - average.momentum)
            else:
                tensor.copy_(followed[key])


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers, each once."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}
