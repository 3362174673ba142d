"""A checkpoint laid onto the modules of a document without loading it: which key fills what, and whether it fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor, nn

from composer.plugin import Layout
from composer.sources.weights_error import WeightsError
from composer.weights.load_faults import Faults
from composer.weights.loading import Transform, transforms_of
from composer.weights.plan import Assignment, LoadPlan, plan_loading
from composer.weights.slots import Slots, find_slots
from composer.weights.tensor_checks import check_values, describe_dtype, fits
from composer.weights.wrappers import unwrap

__all__ = ["Onto"]


@dataclass(frozen=True)
class Onto:
    """The modules that a checkpoint fills; they may stand on the meta device, for their shapes alone are read."""

    modules: Mapping[str, nn.Module]
    layout: Layout
    parameters: Mapping[str, object] = field(default_factory=dict)
    """Values of the document's parameters, which the layout's rules depend on."""
    declared: tuple[str, ...] = ()
    """All modules of the document; keys of those that are not among `modules` are not needed."""

    @cached_property
    def slots(self) -> Slots:
        """The tensors of the modules."""
        return find_slots(self.modules)

    def planned(self, checkpoint: Mapping[str, Tensor]) -> tuple[LoadPlan, dict[str, Assignment]]:
        """What becomes of every key, and the assignments by what they fill.

        Raises:
            WeightsError: one text with all keys that nothing takes, parameters that nothing fills, and shapes and
                number formats that differ.
        """
        slots = self.slots
        plan = unwrap(checkpoint, self._planned).as_stored()
        faults = Faults(plan, tuple(slots.by_name), self.parameters)
        transforms = transforms_of(plan, self.layout)
        for assignment in plan.assignments:
            if assignment.target in slots.by_name:
                self._hold(assignment, checkpoint[assignment.key], slots, transforms, faults)
        if faults.any:
            raise faults.error("the checkpoint", tuple(self.modules), _causes(faults))
        return plan, {each.target: each for each in plan.assignments}

    def _planned(self, keys: Iterable[str]) -> LoadPlan:
        slots = self.slots
        return plan_loading(
            keys, slots.by_name, self.layout, self.parameters, declared=self.declared, aliases=slots.aliases
        )

    def converted(self, assignment: Assignment, tensor: Tensor) -> Tensor:
        """A tensor as the module has it. Raises WeightsError for NaN and infinite values."""
        slot = self.slots.by_name[assignment.target]
        if assignment.transform is not None:
            change = transforms_of(LoadPlan((assignment,)), self.layout)[assignment.transform]
            tensor = change(tensor, tuple(slot.tensor.shape))
        found = check_values(tensor, may_be_infinite=slot.is_buffer)
        if found is not None:
            raise WeightsError(f"{assignment.key} holds {found}: nothing was written")
        return tensor

    def _hold(
        self,
        assignment: Assignment,
        tensor: Tensor,
        slots: Slots,
        transforms: Mapping[str, Transform],
        faults: Faults,
    ) -> None:
        slot = slots.by_name[assignment.target]
        wanted = tuple(slot.tensor.shape)
        if assignment.transform is not None:
            try:
                tensor = transforms[assignment.transform](tensor, wanted)
            except (Exception, SystemExit) as error:  # a plugin's code, run on a stranger's tensor
                text = f"transform {assignment.transform!r} failed on shape {list(tensor.shape)}: {error}"
                faults.others.setdefault(text, []).append(assignment.target)
                return
        if tuple(tensor.shape) != wanted:
            faults.shapes[assignment.target] = (wanted, tuple(tensor.shape))
        elif not fits(tensor, slot.tensor):
            text = f"expected {describe_dtype(slot.tensor)}, found {describe_dtype(tensor)}"
            faults.dtypes.setdefault(text, []).append(assignment.target)


def _causes(faults: Faults) -> Iterator[str]:
    """What may be wrong, where the sizes of the document are not those of the checkpoint."""
    if faults.plan.missing or faults.plan.unexpected or faults.shapes:
        yield (
            "the document has other sizes or other modules: name the published config with --config, a document with "
            "--document, or single parameters with --set"
        )
