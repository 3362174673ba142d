"""Steps of training that were recorded: the groups of the optimizer by published names, and the losses on the way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from composer.compare.case import Trace
from composer.compare.rows import Row, compare_tensors
from composer.execution.generation import walk
from composer.execution.program import Program
from composer.execution.slot_values import TaskValues
from composer.plugin import Layout
from composer.problems import InputError
from composer.problems.suggest import listed
from composer.weights import plan_loading

__all__ = ["Steps", "read_steps"]


@dataclass(frozen=True)
class Steps:
    """What was recorded: the optimizer's groups, and the loss and the length of the gradient of each step."""

    file: str
    groups: tuple[Mapping[str, Any], ...]
    losses: tuple[float, ...]
    lengths: tuple[float, ...]

    def rows(
        self,
        name: str,
        trace: Trace,
        program: Program,
        fed: TaskValues,
        layout: Layout,
        parameters: Mapping[str, object],
        keys: Iterable[str],
    ) -> list[Row]:
        """Take the same steps with AdamW, on the same batch, and compare."""
        optimizer = torch.optim.AdamW(self._ours(program, trace, layout, parameters, keys))
        losses, lengths = [], []
        with torch.enable_grad():
            for _ in self.losses:
                optimizer.zero_grad()
                slots = program.load_inputs(fed)
                walk(program, {}, slots)
                assert program.plan.loss is not None
                loss: Tensor = slots[program.plan.loss]
                loss.backward()  # type: ignore[no-untyped-call]
                gradients = [p.grad for p in program.parts.parameters() if p.grad is not None]
                losses.append(loss.item())
                lengths.append(nn.utils.get_total_norm(gradients).item())
                optimizer.step()
        compared = {"losses": (losses, self.losses), "gradients": (lengths, self.lengths)}
        return [
            compare_tensors(
                name,
                f"steps.{what}",
                f"{self.file}: {what}",
                torch.tensor(ours[: len(theirs)]),
                torch.tensor(theirs),
                trace.tolerance,
            )
            for what, (ours, theirs) in compared.items()
            if theirs
        ]

    def _ours(
        self,
        program: Program,
        trace: Trace,
        layout: Layout,
        parameters: Mapping[str, object],
        keys: Iterable[str],
    ) -> list[dict[str, Any]]:
        """The recorded groups with our weights. Raises InputError for weights that no group names."""
        weights = {
            f"{module}.{name}": weight
            for module, part in program.modules_by_name.items()
            for name, weight in part.named_parameters()
        }
        plan = plan_loading(keys, weights, layout, parameters)
        targets = {each.key: each.target for each in plan.assignments}
        groups, left = [], dict(weights)
        for group in self.groups:
            named = (targets.get(trace.same.get(name, name)) for name in group["names"])
            ours = [name for name in dict.fromkeys(named) if name is not None and name in left]
            if ours:
                options = {key: group[key] for key in ("lr", "weight_decay", "betas", "eps") if key in group}
                groups.append({"params": [left.pop(name) for name in ours], **options})
        if left:
            raise InputError(
                f"no group of {self.file} names {listed('', left)}: write under `same` which of its names they are"
            )
        return groups


def read_steps(folder: Path, trace: Trace) -> Steps:
    """What a trace of the data folder holds. Raises InputError where it cannot be read as one."""
    path = folder / trace.file
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        steps = list(found["losses"])
        groups = tuple({**group, "names": list(map(str, group["names"]))} for group in found["groups"])
        losses = tuple(float(step["loss"]) for step in steps)
        lengths = tuple(float(step["grad_norm"]) for step in steps if "grad_norm" in step)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(
            f"{path} is not a record of training ({type(error).__name__}: {error}): it holds `losses`, each with a "
            "`loss` and perhaps a `grad_norm`, and `groups`, each with `names`, `lr` and `weight_decay`"
        ) from None
    return Steps(trace.file, groups, losses, lengths)
