"""Loading weights into modules: verify everything, then share the mapped tensors. Nothing is ever half-loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from composer.plugin import Layout
from composer.plugin.asking import import_object
from composer.weights.causes import name_causes, size_causes
from composer.weights.checkpoint import Checkpoint
from composer.weights.load_faults import Faults
from composer.weights.load_report import LoadReport, ModuleLoad
from composer.weights.plan import Assignment, LoadPlan, plan_loading
from composer.weights.slots import Slot, Slots, find_slots
from composer.weights.tensor_checks import check_values, describe_dtype, fits
from composer.weights.weights_error import WeightsError
from composer.weights.wrappers import unwrap

__all__ = ["load_weights"]

Transform = Callable[[Tensor, tuple[int, ...]], Tensor]


def load_weights(
    modules: Mapping[str, nn.Module],
    checkpoint: Mapping[str, Tensor],
    *,
    layout: Layout | None = None,
    parameters: Mapping[str, object] | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    declared: Iterable[str] = (),
    fresh: Iterable[str] = (),
    layouts: Iterable[Layout] = (),
    changed: Iterable[str] = (),
) -> LoadReport:
    """Load a checkpoint into modules, each once, whatever number of tasks calls it.

    Tensors that need no conversion are shared with the checkpoint's memory map, so that loading takes no memory beyond
    the file. Parameters become new objects: make optimizers afterwards. Modules may stand on the meta device.

    Args:
        modules: built modules by their name in the document.
        checkpoint: what `read_checkpoint` opened, or any mapping of tensors.
        layout: how the checkpoint names its tensors; None where keys are exactly `<module>.<parameter>`.
        parameters: values of the document's parameters, which the layout's rules may depend on.
        dtype: of all floating-point weights; None keeps each module's own.
        device: None keeps each tensor where it stands (meta becomes cpu).
        declared: every module of the document; keys of modules that were not built are reported as not needed.
        fresh: modules that keep their initial weights; they may not stand on the meta device.
        layouts: layouts that there are, so that a checkpoint which one of them reads can be told.
        changed: parameters that the user gave another value, which are named first where sizes do not fit.

    Raises:
        WeightsError: one text with all missing parameters, unexpected keys, wrong shapes and dtypes, NaN and infinite
            values, and doubly claimed parameters. The modules are untouched then.
    """
    slots = find_slots(modules)

    def planned(keys: Iterable[str], by: Layout | None = layout) -> LoadPlan:
        return plan_loading(
            keys, slots.by_name, by, parameters, declared=declared, aliases=slots.aliases, fresh=fresh
        )

    unwrapped = unwrap(checkpoint, planned)
    plan = unwrapped.plan
    faults = Faults(plan, tuple(slots.by_name), parameters or {}, frozenset(changed))
    staging = _Verified(slots, _transforms(plan, layout), dtype, device, faults)
    for assignment in plan.assignments:
        staging.take(assignment, checkpoint[unwrapped.keys[assignment.key]])
    staging.check_meta(plan)
    source = str(checkpoint.path) if isinstance(checkpoint, Checkpoint) else "the checkpoint"
    if faults.any:
        causes = [*name_causes(plan, unwrapped.keys, planned, layout, layouts), *size_causes(faults)]
        faults.raise_all(source, modules, causes)
    _assign(slots, staging.tensors)
    # what the checkpoint does not hold: initialised parameters, transient buffers
    for module in modules.values():
        module.to(device=device, dtype=dtype)
    notes = _notes(checkpoint, unwrapped.taken)
    return _report(source, layout, plan, slots, modules, notes)


@dataclass
class _Verified:
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
            text = f"expected {describe_dtype(slot.tensor)}, found {describe_dtype(tensor)}"
            self.faults.dtypes.setdefault(text, []).append(name)
        elif (found := check_values(tensor, may_be_infinite=slot.is_buffer)) is not None:
            (self.faults.not_a_number if found == "NaN" else self.faults.infinite).append(assignment.key)
        else:
            self._stage(assignment, self._converted(tensor, slot), tensor)

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

    def check_meta(self, plan: LoadPlan) -> None:
        """What no checkpoint fills must have a value already."""
        lacking = [name for name in plan.initialised if self.slots.by_name[name].tensor.is_meta]
        lacking += [name for name, tensor in self.slots.transient.items() if tensor.is_meta]
        if lacking:
            text = "is not loaded and has no value on the meta device; build the module on a real device"
            self.faults.others[text] = lacking


def _transforms(plan: LoadPlan, layout: Layout | None) -> dict[str, Transform]:
    names = dict.fromkeys(each.transform for each in plan.assignments if each.transform is not None)
    found = {}
    for name in names:
        assert layout is not None  # only a layout's rules name transforms
        if name not in layout.transforms:
            known = ", ".join(layout.transforms) or "none"
            raise WeightsError(
                f"layout {layout.id} has a rule with the transform {name!r}, but offers {known}"
            )
        found[name] = import_object(layout.transforms[name], f"transform {name} of {layout.title}")
    return found


def _assign(slots: Slots, tensors: Mapping[str, Tensor]) -> None:
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


def _notes(checkpoint: Mapping[str, Tensor], taken: Iterable[str]) -> tuple[str, ...]:
    """How the checkpoint was read, where that is not plain."""
    notes = [f"`{word}.` was taken off the keys" for word in taken]
    if isinstance(checkpoint, Checkpoint) and checkpoint.root:
        notes.insert(0, f"read from its entry `{checkpoint.root}`")
        if checkpoint.left_out:
            notes.insert(1, f"{checkpoint.left_out} keys outside `{checkpoint.root}` were left out")
    return tuple(notes)


def _report(
    source: str,
    layout: Layout | None,
    plan: LoadPlan,
    slots: Slots,
    modules: Mapping[str, nn.Module],
    notes: tuple[str, ...],
) -> LoadReport:
    counts = {name: [0, 0, 0] for name in modules}
    for name, slot in slots.unique():
        count = counts[name.partition(".")[0]]
        if name in plan.initialised:
            count[2] += 1
        else:
            count[0] += 1
            count[1] += slot.tensor.numel()
    return LoadReport(
        source=source,
        layout=None if layout is None else layout.id,
        modules=tuple(ModuleLoad(name, *count) for name, count in counts.items()),
        ignored=plan.ignored,
        initialised=plan.initialised,
        not_needed=plan.not_needed,
        notes=notes,
    )
