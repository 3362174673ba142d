"""A running mean of the weights, which answers better than the last ones where steps are noisy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from composer.training.tensor_parts import alike

__all__ = ["RunningMean"]


class RunningMean:
    """`mean = decay * mean + (1 - decay) * weight` after every step, from the weights at the start."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self._parameters = list(parameters.values())
        self._names = list(parameters)
        self._means = [parameter.detach().clone() for parameter in self._parameters]
        self._step = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    def replace(
        self, parameters: Mapping[str, nn.Parameter], split: Callable[[Tensor, nn.Parameter], Tensor]
    ) -> None:
        """Go on with other parameters of the same names; `split` makes a mean be laid out as one is."""
        self._parameters = [parameters[name] for name in self._names]
        self._means = [split(mean, p) for mean, p in zip(self._means, self._parameters, strict=True)]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now."""
        for means, weights in zip(alike(self._means), alike(self._parameters), strict=True):
            self._step(means, [p.detach() for p in weights], 0)

    @torch.no_grad()
    def exchange(self) -> None:
        """Put the means where the weights are, and keep the weights; a second time, back again."""
        for mean, parameter in zip(self._means, self._parameters, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(mean)
            mean.copy_(kept)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the modules hold the means."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    def state_dict(self) -> dict[str, Tensor]:
        """The means by the names of the weights."""
        return dict(zip(self._names, self._means, strict=True))

    @torch.no_grad()
    def load_state_dict(self, stored: Mapping[str, Tensor]) -> None:
        """Put means back. Raises KeyError and RuntimeError for those of another model."""
        for name, mean in zip(self._names, self._means, strict=True):
            mean.copy_(stored[name])
