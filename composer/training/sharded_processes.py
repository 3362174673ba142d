"""Weights, gradients, the optimizer's state and running means split over processes: FSDP2, torch's `fully_shard`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.utils._pytree import tree_map_only

from composer.problems import InputError
from composer.training.processes import FSDP, Losses, ManyProcesses, SharedLosses
from composer.training.protocol import Trainee
from composer.training.tensor_parts import is_split, split_like, whole

if TYPE_CHECKING:
    from composer.training.learner import Learner

__all__ = ["ShardedProcesses"]

Entries = TypeVar("Entries")


class ShardedProcesses(ManyProcesses):
    """Between steps a process holds its part of every weight; in a step all weights, which are gathered when it begins,
    and its part of the gradients, of the optimizer's state and of running means.

    Weights that are one number cannot be split: each process has them, and their gradients are averaged.
    """

    def __init__(self, device: str | torch.device) -> None:
        version = os.environ.get("FSDP_VERSION", "2")
        if version != "2":
            raise InputError(f"FSDP {version} is not there: launch it with --fsdp_version 2")
        asked = os.environ.pop(FSDP, None)  # accelerate would wrap models in its own way
        try:
            super().__init__(device)
        finally:
            if asked is not None:
                os.environ[FSDP] = asked

    def losses(self, trainee: Trainee, learner: Learner) -> Trainee:
        if learner.scaler is not None:
            raise InputError(
                "weights that are split over processes do not go with --precision fp16: use bf16"
            )
        model = Losses(trainee, nn.ModuleList([learner.modules, nn.ModuleDict(dict(trainee.running))]))
        before = dict(learner.modules.named_parameters())
        self._numbers = {p for p in before.values() if p.ndim == 0}
        for held in (*before.values(), *model.buffers()):
            # A part is one of rows that lie one after the other; its weights are those of the first process.
            held.data = held.data.contiguous()
            torch.distributed.broadcast(held.data, 0)
        mesh = init_device_mesh(next(iter(before.values())).device.type, (self.count,))
        self._model: FSDPModule = fully_shard(model, mesh=mesh, ignored_params=self._numbers)
        after = dict(learner.modules.named_parameters())
        learner.replace({p: after[name] for name, p in before.items()}, split_like)
        return SharedLosses(trainee, model)

    @contextmanager
    def between(self, trainee: Trainee) -> Iterator[None]:
        self._model.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            self._model.set_requires_gradient_sync(True)

    def settle(self, learner: Learner) -> None:
        for parameter in learner.parameters.values():
            if parameter in self._numbers and parameter.grad is not None:
                parameter.grad = self._accelerator.reduce(parameter.grad, "mean")

    @contextmanager
    def whole(self) -> Iterator[None]:
        places = self._join()
        try:
            yield
        finally:
            for module, name, parameter in places:
                module._parameters[name] = parameter

    def rejoin(self) -> None:
        self._join()

    def close(self) -> None:
        vars(self).pop("_model", None)
        super().close()

    @torch.no_grad()
    def _join(self) -> list[tuple[nn.Module, str, nn.Parameter]]:
        """Put whole weights where parts of them are; returns where those were."""
        assert isinstance(self._model, nn.Module)
        places = [
            (module, name, parameter)
            for module in self._model.modules()
            for name, parameter in module._parameters.items()
            if parameter is not None and is_split(parameter)
        ]
        joined: dict[int, nn.Parameter] = {}
        for module, name, parameter in places:
            if id(parameter) not in joined:
                joined[id(parameter)] = nn.Parameter(whole(parameter), parameter.requires_grad)
            module._parameters[name] = joined[id(parameter)]
        return places

    def gathered(self, entries: Entries) -> Entries:
        def gather(part: DTensor) -> Tensor:
            full = whole(part).detach()
            return full.cpu() if self.is_first else full.new_empty(0)

        found: Entries = tree_map_only(DTensor, gather, entries)
        return found
