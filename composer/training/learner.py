"""One step of the optimizer: losses to gradients to weights, with nothing changed where a number is not finite."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from composer.plugin.asking import PluginError, fault_of, place_of_fault
from composer.problems import ComposerError
from composer.recipes import Recipe
from composer.training.numerics import Numerics
from composer.training.optimizer_groups import optimizer_of
from composer.training.running_mean import RunningMean
from composer.training.tensor_parts import alike, whole

__all__ = ["DivergedError", "Learner", "Stepped", "backward", "scalar_loss"]

SMALLEST_SCALE = 1.0
"""Below it a gradient that is not finite is no longer one that float16 cannot hold."""


class DivergedError(ComposerError):
    """A loss, a gradient or a weight is not finite; no weight has changed."""

    def __init__(self, what: str, more: str = "") -> None:
        self.what, self.more = what, more
        super().__init__(f"{what}{more}")


@dataclass(frozen=True)
class Stepped:
    """What became of a step."""

    loss: float
    norm: float
    """Length of the gradient, before it was cut."""


class Learner:
    """The weights that are trained, and what changes them."""

    def __init__(self, modules: nn.Module, recipe: Recipe, numerics: Numerics) -> None:
        self.modules = modules
        self.recipe = recipe
        self.parameters = {name: p for name, p in modules.named_parameters() if p.requires_grad}
        self.optimizer = optimizer_of(modules, recipe)
        self.average = None if recipe.ema is None else RunningMean(self.parameters, recipe.ema)
        self.scaler = numerics.scaler()

    def replace(
        self, new: Mapping[Tensor, nn.Parameter], split: Callable[[Tensor, nn.Parameter], Tensor]
    ) -> None:
        """Go on with other parameters in the place of these; `split` makes what belongs to one be laid out as it is."""
        self.parameters = {name: new[p] for name, p in self.parameters.items()}
        stored: dict[Tensor, dict[str, Any]] = {
            new[p]: {
                key: split(value, new[p]) if isinstance(value, Tensor) else value
                for key, value in entry.items()
            }
            for p, entry in self.optimizer.state.items()
        }
        self.optimizer.state = defaultdict(dict, stored)
        for group in self.optimizer.param_groups:
            group["params"] = [new[p] for p in group["params"]]
            if len(alike(group["params"])) > 1:  # torch's fused loops take no mixture
                group["foreach"] = False
        if self.average is not None:
            self.average.replace(self.parameters, split)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds besides the weights and the optimizer's state."""
        found: dict[str, Any] = {}
        if self.average is not None:
            found["average"] = self.average.state_dict()
        if self.scaler is not None:
            found["scaler"] = self.scaler.state_dict()
        return found

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Put it back. Raises whatever an entry that holds something else raises."""
        if self.average is not None:
            self.average.load_state_dict(stored["average"])
        if self.scaler is not None:
            self.scaler.load_state_dict(stored["scaler"])

    def answering(self) -> AbstractContextManager[None]:
        """Inside, the modules hold the weights that are validated and written."""
        return nullcontext() if self.average is None else self.average.in_place()

    def begin(self) -> None:
        """Forget the gradients of the step before."""
        self.optimizer.zero_grad(set_to_none=True)

    def add(self, loss: Tensor, share: float, task: str) -> None:
        """Add the gradients of a loss that is a share of the step's."""
        part = loss if share == 1.0 else loss * share
        backward(part if self.scaler is None else self.scaler.scale(part), task)

    def scale(self, factor: float) -> None:
        """Multiply the gradients."""
        for parameter in self.parameters.values():
            if parameter.grad is not None:
                parameter.grad.mul_(factor)

    def step(self, value: float, task: str) -> Stepped:
        """Change the weights by the gradients. Raises DivergedError before anything changes."""
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        length = _length(gradients)
        norm = length.item()
        if not (math.isfinite(value) and (math.isfinite(norm) or self._is_scaled())):
            raise self._diverged(task, value)
        if self.recipe.clip is not None and math.isfinite(norm):
            for each in alike(list(self.parameters.values())):
                nn.utils.clip_grads_with_norm_(each, self.recipe.clip, length)
        try:
            self._change()
        except RuntimeError as error:  # numbers beyond float32, such as those of a learning rate of 1e39
            raise DivergedError(f"the step of task `{task}`", f" cannot be made: {error}") from error
        if self.average is not None:
            self.average.update()
        return Stepped(value, norm)

    def _change(self) -> None:
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)  # leaves the weights alone where a gradient was beyond float16
            self.scaler.update()

    def _is_scaled(self) -> bool:
        return self.scaler is not None and self.scaler.get_scale() > SMALLEST_SCALE

    def _diverged(self, task: str, loss: float) -> DivergedError:
        if not math.isfinite(loss):
            return DivergedError(f"the loss of task `{task}` is {loss}")
        broken = next(
            (name for name, p in self.parameters.items() if p.grad is not None and not _finite(p.grad)),
            "all of them together",
        )
        return DivergedError(
            f"the gradient of task `{task}` is not finite", f", first in `{broken}` (its loss is {loss:.4g})"
        )

    def hold_weights_finite(self) -> None:
        """Raise DivergedError for a weight that is not finite."""
        for name in self._broken():
            raise DivergedError(f"the weight `{name}` is not finite")

    def _broken(self) -> Iterator[str]:
        return (name for name, parameter in self.parameters.items() if not _finite(parameter))


def _finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(whole(tensor)).all())


def _length(gradients: Sequence[Tensor]) -> Tensor:
    """Of all gradients together; those that are split over processes count with all their parts."""
    lengths = [whole(nn.utils.get_total_norm(each)) for each in alike(gradients)]
    return lengths[0] if len(lengths) == 1 else nn.utils.get_total_norm(lengths)


def scalar_loss(loss: object, task: str) -> Tensor:
    """The loss as one number with a gradient. Raises ComposerError for all else."""
    if not isinstance(loss, Tensor):
        raise ComposerError(
            f"the loss of task `{task}` is {loss!r}, not a tensor: its module type is at fault"
        )
    if loss.numel() != 1:
        raise ComposerError(
            f"the loss of task `{task}` has the shape {list(loss.shape)}: a loss is one number, such as a mean"
        )
    if not loss.requires_grad:
        raise ComposerError(f"the loss of task `{task}` has no gradient: no module with weights leads to it")
    return loss.reshape(()).float()


def backward(loss: Tensor, task: str) -> None:
    """Add the gradients of a loss to those of the weights. Raises PluginError where a module's own gradient fails."""
    try:
        loss.backward()  # type: ignore[no-untyped-call]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the backward of a module is foreign code, as its forward is
        fault = fault_of(error)
        raise PluginError(
            f"the gradient of the loss of task `{task}`", fault, place_of_fault(error)
        ) from error
