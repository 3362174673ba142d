"""Tensors of checkpoints that were verified, and are put in place when all of them are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from composer.weights.load_faults import Faults
from composer.weights.names import first_words
from composer.weights.plan import Assignment, LoadPlan
from composer.weights.slots import Slot, Slots, find_slots
from composer.weights.tensor_checks import check_values, describe_dtype, dtype_name, fits

__all__ = ["StagedTensors", "Transform", "assign"]

Transform = Callable[[Tensor, tuple[int, ...]], Tensor]


@dataclass
class StagedTensors:
    """Verified tensors by the first name of their slot, ready to be assigned."""

    slots: Slots
    transforms: Mapping[str, Transform]
    dtype: torch.dtype | None
    device: torch.device | str | None
    faults: Faults

    def __post_init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._key_of: dict[str, str] = {}

    def take(self, assignment: Assignment, tensor: Tensor) -> None:
        """Transform and verify one tensor, and stage it converted; or record why it does not fit."""
        name, slot = assignment.target, self.slots.by_name[assignment.target]
        if tensor.is_nested:  # such a tensor has no shape
            self._of_another_dtype(name, slot, tensor)
            return
        if assignment.transform is not None:
            try:
                tensor = self.transforms[assignment.transform](tensor, tuple(slot.tensor.shape))
            # A transform is a plugin's code, run on a stranger's tensor.
            except (Exception, SystemExit) as error:
                text = f"transform {assignment.transform!r} failed on shape {list(tensor.shape)}: {error}"
                self.faults.others.setdefault(text, []).append(name)
                return
        tensor = tensor.detach()
        if tensor.shape != slot.tensor.shape:
            self.faults.shapes[name] = (tuple(slot.tensor.shape), tuple(tensor.shape))
        elif not fits(tensor, slot.tensor):
            self._of_another_dtype(name, slot, tensor)
        elif (found := check_values(tensor, may_be_infinite=slot.is_buffer)) is not None:
            (self.faults.not_a_number if found == "NaN" else self.faults.infinite).append(assignment.key)
        else:
            self._stage(assignment, self._converted(tensor, slot), tensor)

    def _of_another_dtype(self, name: str, slot: Slot, tensor: Tensor) -> None:
        text = f"expected {dtype_name(slot.tensor)}, found {describe_dtype(tensor)}"
        self.faults.dtypes.setdefault(text, []).append(name)

    def _converted(self, tensor: Tensor, slot: Slot) -> Tensor:
        dtype = self.dtype if self.dtype is not None and tensor.is_floating_point() else slot.tensor.dtype
        device = self.device
        if device is None:
            device = "cpu" if slot.tensor.is_meta else slot.tensor.device
        return tensor.to(device=device, dtype=dtype)

    def _stage(self, assignment: Assignment, tensor: Tensor, original: Tensor) -> None:
        narrowed = tensor.dtype != original.dtype and not self.slots.by_name[assignment.target].is_buffer
        if narrowed and check_values(tensor, may_be_infinite=False) is not None:
            text = f"has values beyond the range of {describe_dtype(tensor)}"
            self.faults.others.setdefault(text, []).append(assignment.target)
            return
        first = self.slots.first(assignment.target)
        other = self.tensors.setdefault(first, tensor)
        key = self._key_of.setdefault(first, assignment.key)
        if other is not tensor and not torch.equal(other, tensor):
            text = f"tied to {first}, but the checkpoint's {assignment.key} differs from its {key}"
            self.faults.others.setdefault(text, []).append(assignment.target)

    def draw(self, plan: LoadPlan, build: Callable[[str], nn.Module]) -> None:
        """Stage the initial values of what the checkpoint may lack and the module has no values of."""
        lacking = [name for name in plan.initialised if self.slots.by_name[name].tensor.is_meta]
        for module in first_words(lacking):
            drawn = find_slots({module: build(module)}).by_name
            for name in lacking:
                if name in drawn:
                    slot = self.slots.by_name[name]
                    self.tensors[self.slots.first(name)] = self._converted(drawn[name].tensor.detach(), slot)

    def check_meta(self, plan: LoadPlan, modules: Collection[str]) -> None:
        """What no checkpoint fills must have a value already."""
        lacking = [
            name
            for name in plan.initialised
            if self.slots.by_name[name].tensor.is_meta and self.slots.first(name) not in self.tensors
        ]
        lacking += [
            name
            for name, tensor in self.slots.transient.items()
            if tensor.is_meta and name.partition(".")[0] in modules
        ]
        if lacking:
            text = "is not loaded and has no value on the meta device; build the module on a real device"
            self.faults.others[text] = lacking


def assign(slots: Slots, tensors: Mapping[str, Tensor]) -> None:
    """Put the tensors in place; names that shared a tensor share the new one."""
    placed: dict[str, Tensor] = {}
    for name, slot in slots.by_name.items():
        first = slots.first(name)
        if first not in tensors:
            continue
        if first not in placed:
            tensor = tensors[first]
            placed[first] = tensor if slot.is_buffer else nn.Parameter(tensor, slot.tensor.requires_grad)
        setattr(slot.owner, slot.leaf, placed[first])
