"""The inputs that a session keeps: taken once, and held together with those of every question."""

from __future__ import annotations

from collections.abc import Mapping

from composer.execution.host_inputs import Arrays, HostInputs

__all__ = ["KeptInputs"]


class KeptInputs:
    """Some inputs of a task, read. Raises InputError for inputs that the task does not have, and unusable values."""

    def __init__(self, host: HostInputs, raw: Mapping[str, object]) -> None:
        host.check_known(raw)
        self.host = host
        self.raw = dict(raw)
        self.arrays = host.arrays(raw, raw)

    @property
    def others(self) -> tuple[str, ...]:
        """The inputs that a question brings."""
        return tuple(name for name in self.host.inputs if name not in self.raw)

    def asked(self, raw: Mapping[str, object]) -> tuple[dict[str, Arrays], bool]:
        """The arrays of a question's inputs, and whether all values are single ones.

        Raises InputError for inputs that are missing, unexpected, kept, or do not go with those that are kept.
        """
        self.host.check_asked(self.raw, raw)
        raw = self.host.whole(raw, self.raw)
        together = {**self.raw, **raw}
        arrays = self.host.arrays(together, raw)
        self.host.hold_together({**self.arrays, **arrays})
        return arrays, self.host.is_single(together)
