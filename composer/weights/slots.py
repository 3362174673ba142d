"""The places of modules that hold weights: parameters and persistent buffers, with the names that share one tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Slot", "Slots", "find_slots", "slot_names"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter or buffer, as the attribute `leaf` of its owner."""

    owner: nn.Module
    leaf: str
    tensor: Tensor
    is_buffer: bool


@dataclass(frozen=True)
class Slots:
    """Every slot by `<module>.<parameter>`. `aliases` leads from each further name of a tied tensor to the first."""

    by_name: Mapping[str, Slot]
    aliases: Mapping[str, str]
    transient: Mapping[str, Tensor]
    """Buffers that no checkpoint holds (`persistent=False`)."""

    def first(self, name: str) -> str:
        return self.aliases.get(name, name)

    def unique(self) -> Iterator[tuple[str, Slot]]:
        """Each tensor once, under its first name."""
        return ((name, slot) for name, slot in self.by_name.items() if name not in self.aliases)


def find_slots(modules: Mapping[str, nn.Module]) -> Slots:
    """Walk the modules in order; a tensor that is met again, in whichever module, becomes an alias."""
    slots: dict[str, Slot] = {}
    aliases: dict[str, str] = {}
    transient: dict[str, Tensor] = {}
    first_names: dict[int, str] = {}
    for module_name, module in modules.items():
        for path, owner in module.named_modules(prefix=module_name, remove_duplicate=False):
            for leaf, tensor, is_buffer in _tensors(owner):
                name = f"{path}.{leaf}"
                if leaf in owner._non_persistent_buffers_set:
                    transient[name] = tensor
                    continue
                slots[name] = Slot(owner, leaf, tensor, is_buffer)
                first = first_names.setdefault(id(tensor), name)
                if first != name:
                    aliases[name] = first
    return Slots(slots, aliases, transient)


def slot_names(modules: Mapping[str, nn.Module]) -> tuple[str, ...]:
    """The names of all parameters and persistent buffers, `<module>.<parameter>`."""
    return tuple(find_slots(modules).by_name)


def _tensors(owner: nn.Module) -> Iterator[tuple[str, Tensor, bool]]:
    for leaf, parameter in owner._parameters.items():
        if parameter is not None:
            yield leaf, parameter, False
    for leaf, buffer in owner._buffers.items():
        if buffer is not None:
            yield leaf, buffer, True
