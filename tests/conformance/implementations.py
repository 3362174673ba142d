"""Small torch modules: one that keeps every promise, and one for each way to break one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from composer.types import States

from . import decoders


class Mixer(nn.Module):
    """Mean over the visible states, added to each: needs its mask, its weights and nothing else."""

    def __init__(self, *, width: int = 8) -> None:
        super().__init__()
        self.map = nn.Linear(width, width)

    def forward(self, *, states: States) -> States:
        return States(states.values + self.map(self.mean(states.values, states.mask)), states.mask)

    def mean(self, values: Tensor, mask: Tensor | None) -> Tensor:
        return decoders.visible_mean(values, mask)

    def pooled(self, *, states: States, gain: Tensor | None = None) -> dict[str, Tensor]:
        mean = self.mean(states.values, states.mask).squeeze(1)
        return {"embedding": mean, "scores": self.map(mean) if gain is None else self.map(mean) * gain}

    def grouped(self, *, vision: States, text: States, counts: Tensor) -> States:
        """Each of text[R, L, D] with the mean of its picture, vision[B, N, D]."""
        means = self.map(self.mean(vision.values, vision.mask))
        rows = torch.repeat_interleave(counts, output_size=text.values.shape[0])
        return States(text.values + means[rows], text.mask)

    def joined(self, *, parts: tuple[States, ...]) -> Tensor:
        return torch.stack([self.mean(part.values, part.mask).squeeze(1) for part in parts]).sum(dim=0)


class WrongWidth(Mixer):
    def forward(self, *, states: States) -> States:
        return States(states.values[..., :4], states.mask)


class SwapsSymbols(Mixer):
    """Right where the batch is as long as the sequence, wrong elsewhere."""

    def forward(self, *, states: States) -> States:
        return States(states.values.transpose(0, 1), states.mask)


class BareTensor(Mixer):
    def forward(self, *, states: States) -> Any:
        return states.values


class WrongDtype(Mixer):
    def forward(self, *, states: States) -> States:
        return States(states.values.round().long(), states.mask)


class Mapped(Mixer):
    def forward(self, *, states: States) -> Any:
        return {"states": states}


class MixesBatch(Mixer):
    def forward(self, *, states: States) -> States:
        return States(states.values - states.values.mean(dim=0), states.mask)


class SeesPadding(Mixer):
    def mean(self, values: Tensor, mask: Tensor | None) -> Tensor:
        return values.mean(dim=1, keepdim=True)


class CountsPadding(Mixer):
    """Leaves hidden values out of the sum but not out of the count: only a longer row shows it."""

    def mean(self, values: Tensor, mask: Tensor | None) -> Tensor:
        return (
            values.mean(dim=1, keepdim=True) if mask is None else (values * mask.unsqueeze(-1)).mean(1, True)
        )


class CountsFromTheFirstColumn(Mixer):
    """Numbers positions from the first column, where a prompt that is padded on the left has nothing."""

    def forward(self, *, states: States) -> States:
        places = torch.arange(states.values.shape[1], device=states.values.device)
        numbered = states.values + places.to(states.values.dtype).unsqueeze(1)
        return States(numbered + self.map(states.values), states.mask)


class LosesMask(Mixer):
    def forward(self, *, states: States) -> States:
        return States(super().forward(states=states).values)


class NoMaskDiffers(Mixer):
    def mean(self, values: Tensor, mask: Tensor | None) -> Tensor:
        return torch.zeros_like(values[:, :1]) if mask is None else super().mean(values, mask)


class Random(Mixer):
    def forward(self, *, states: States) -> States:
        return States(nn.functional.dropout(states.values, 0.5), states.mask)


class Remembers(Mixer):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, *, states: States) -> States:
        self.calls += 1
        return States(states.values * self.calls, states.mask)


class HiddenWeights(Mixer):
    """Its weights are not registered, so that no checkpoint holds them."""

    def __init__(self) -> None:
        super().__init__()
        self.secret = [torch.randn(8)]

    def forward(self, *, states: States) -> States:
        return States(states.values * self.secret[0].to(states.values.device), states.mask)


class ExtraState(Mixer):
    def get_extra_state(self) -> Any:
        return {"note": "not a tensor"}

    def set_extra_state(self, state: Any) -> None:
        pass


class Unexportable(Mixer):
    def forward(self, *, states: States) -> States:
        factor = 2.0 if states.values.sum().item() > 0 else 3.0
        return States(states.values * factor, states.mask)


class Specialised(Mixer):
    """Works at every length, but bakes the first one into what is exported."""

    def forward(self, *, states: States) -> States:
        weight = torch.ones(int(states.values.shape[1]))
        return States(states.values * weight.sum().item(), states.mask)


class Fails(Mixer):
    def forward(self, *, states: States) -> States:
        raise RuntimeError("no such kernel")


class Wide(Mixer):
    """A constant of Python's numbers, brought to double."""

    def forward(self, *, states: States) -> States:
        return States(
            states.values * torch.ones(8, dtype=torch.float64, device=states.values.device), states.mask
        )


class Narrow(Mixer):
    """Computed in a lower precision, and not cast back."""

    def forward(self, *, states: States) -> States:
        return States(states.values.to(torch.bfloat16), states.mask)


class ChangesInput(Mixer):
    def forward(self, *, states: States) -> States:
        states.values.mul_(2)
        return States(states.values.clone(), states.mask)


class ChangesMask(Mixer):
    def forward(self, *, states: States) -> States:
        result = super().forward(states=states)
        if states.mask is not None:
            states.mask.fill_(1)
        return States(result.values, None if states.mask is None else states.mask.clone())


class CountsCalls(Mixer):
    """In a buffer, which no output shows."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, *, states: States) -> States:
        self.calls += 1
        return super().forward(states=states)


class Grows(Mixer):
    def forward(self, *, states: States) -> States:
        if not hasattr(self, "seen"):
            self.register_buffer("seen", states.values.detach().mean(dim=(0, 1)))
        return super().forward(states=states)


class Trains(Mixer):
    def forward(self, *, states: States) -> States:
        self.train()
        return super().forward(states=states)


class KeepsTheLast(Mixer):
    """Leaves what it saw last where anybody may look at it."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_at: dict[str, Tensor] = {}

    def mean(self, values: Tensor, mask: Tensor | None) -> Tensor:
        self.looked_at["mean"] = super().mean(values, mask)
        return self.looked_at["mean"]


class KeepsBySize(Mixer):
    """Makes a table once for each length: later calls find what they would make."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[int, Tensor] = {}

    def mean(self, values: Tensor, mask: Tensor | None) -> Tensor:
        length = int(values.shape[1])
        if length not in self.tables:
            self.tables[length] = torch.arange(length)
        return super().mean(values, mask) + 0 * self.tables[length].sum()


class KeepsTheFirst(Mixer):
    """Remembers a mean by the sizes of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[int, ...], Tensor] = {}

    def mean(self, values: Tensor, mask: Tensor | None) -> Tensor:
        if values.device.type == "meta":
            return super().mean(values, mask)
        return self.kept.setdefault(tuple(values.shape), super().mean(values, mask).detach())


class DeviceBound(Mixer):
    """A constant that is not registered."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.linspace(1, 2, 8)

    def forward(self, *, states: States) -> States:
        return States(states.values * self.scale, states.mask)


class MakesOnTheHost(Mixer):
    def forward(self, *, states: States) -> States:
        return States(states.values + torch.arange(8.0), states.mask)


class StaysOnTheHost(Mixer):
    def forward(self, *, states: States) -> States:
        return States(super().forward(states=states).values.cpu(), states.mask)


class FloatBound(Mixer):
    """A product with a matrix that has one number format."""

    def forward(self, *, states: States) -> States:
        return States(states.values @ torch.eye(8, device=states.values.device), states.mask)


SHARED = Mixer()


def build_shared(config: object) -> Mixer:
    return SHARED


def build_nothing(config: object) -> object:
    return config


def __getattr__(name: str) -> Any:
    """`build_<class>` builds any class of this module, or of the decoders."""
    for key, value in {**vars(decoders), **globals()}.items():
        if name == f"build_{key}":
            return lambda config: value()
    raise AttributeError(name)


class KeepsItsPart(Mixer):
    """Calls its part by a list, where nothing can come between."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = [self.map]

    def forward(self, *, states: States) -> States:
        mean = self.mean(states.values, states.mask)
        return States(states.values + self.parts[0](mean), states.mask)


class AsksForTheClass(Mixer):
    """Leaves out a part that is not of the class that it was built with."""

    def forward(self, *, states: States) -> States:
        return super().forward(states=states) if type(self.map) is nn.Linear else states


class ReadsNoAdapter(Mixer):
    """Calls its part, and reads the weight that is not adapted as well."""

    def forward(self, *, states: States) -> States:
        found = super().forward(states=states)
        own = getattr(self.map, "base_layer", self.map)
        assert isinstance(own, nn.Linear)
        return States(found.values + states.values @ own.weight.T, found.mask)
