"""All rows looked through before the first step: files are decoded, labels are classes, numbers are finite."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from composer.data.data_faults import BadRow, DataError
from composer.data.own_rows import OwnRows, OwnSamples
from composer.problems import ComposerError
from composer.progress import Progress, shown_seconds

if TYPE_CHECKING:
    from composer.execution.host_inputs import HostInputs

__all__ = ["look_through", "looked_through"]

MOST_FILES = 20_000
"""Of more rows of training, the files of so many are decoded now, spread over all; those of others when their turn
comes."""
TRAINED = "train"
ROWS_AT_ONCE = 64
NO_REFERENCE = "there is no reference to score its answer with"
SHOWN_CLASSES = 8


def look_through(
    own: OwnRows,
    hosts: Sequence[HostInputs],
    went: Callable[[int, int], object] = lambda done, total: None,
) -> None:
    """Encode the inputs of every row by themselves. `went` is told how many rows of how many are done. Rows of training
    do without the column that answers are scored with.

    Rows that cannot be encoded join the bad ones and leave their split. Raises DataError (C412, C413) where bad rows
    stop the run, and where training lacks a class.
    """
    looking = _Looking(own, hosts)
    total = sum(len(own.samples(split)) for split in own.splits)
    done = 0
    for split in own.splits:
        looking.hold_reference(split)
        bad: set[int] = set()
        for numbers, faults in looking.split(own.samples(split)):
            bad |= faults.keys()
            own.placed.bad.extend(faults.values())
            done += len(numbers)
            went(done, total)
        if bad:
            own.placed.leave_out(split, bad)
    own.hold_good()
    for split in [name for name in (TRAINED,) if name not in own.splits]:
        raise DataError(f"split `{split}` has 0 rows that can be used", "C414", "files")
    looking.hold_classes()


def looked_through(own: OwnRows, hosts: Sequence[HostInputs]) -> None:
    """The same, with its progress on standard error."""
    progress = Progress()
    began = progress.clock()

    def went(done: int, total: int) -> None:
        progress.reach(done, lambda: f"{own.name}: looked at {done:,} of {total:,} rows, {left(done, total)}")

    def left(done: int, total: int) -> str:
        return f"{shown_seconds((progress.clock() - began) / done * (total - done))} left"

    progress.begin("row", sum(len(own.samples(split)) for split in own.splits), 0)
    try:
        look_through(own, hosts, went)
    finally:
        progress.close()


class _Looking:
    def __init__(self, own: OwnRows, hosts: Sequence[HostInputs]) -> None:
        self.own = own
        self.reference = None if own.reference in own.inputs else own.reference
        self.inputs: dict[str, HostInputs] = {}
        for host in hosts:
            for name in host.inputs:
                if name in own.inputs:
                    self.inputs.setdefault(name, host)
        self.classes: dict[str, Counter[int]] = {
            name: Counter()
            for name, item in own.inputs.items()
            if item.classes is not None and name in self.inputs
        }

    def hold_reference(self, split: str) -> None:
        """Raise DataError (C411) where no row of a split has what answers are scored with."""
        samples = self.own.samples(split)
        if self.reference is None or split == TRAINED:
            return
        for number in range(len(samples)):
            with suppress(ComposerError):  # it is told with the other rows
                if not self._lacks_reference(samples[number]):
                    return
        raise DataError(
            f"no row of split `{split}` has a column `{self.reference}`, with which answers are scored",
            "C411",
            "files",
            helps=(
                "give the column, or say in a recipe which it is (reference: COLUMN), or score nothing (metrics: {})",
            ),
        )

    def _lacks_reference(self, sample: Mapping[str, Any]) -> bool:
        return self.reference is not None and sample.get(self.reference) is None

    def split(self, samples: OwnSamples) -> Iterator[tuple[range, dict[int, BadRow]]]:
        step = max(1, -(-len(samples) // MOST_FILES)) if samples.split == TRAINED else 1
        parts = [
            range(start, min(start + ROWS_AT_ONCE, len(samples)))
            for start in range(0, len(samples), ROWS_AT_ONCE)
        ]
        files = any(self.own.inputs[name].names_files for name in self.inputs)
        workers = min(4, os.cpu_count() or 1) if files else 1
        with ThreadPoolExecutor(workers, thread_name_prefix="composer-data") as pool:
            try:
                for numbers, (faults, found) in zip(
                    parts, pool.map(lambda part: self._part(samples, part, step), parts), strict=True
                ):
                    if samples.split == TRAINED:
                        for name, counts in found.items():
                            self.classes[name].update(counts)
                    yield numbers, faults
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _part(
        self, samples: OwnSamples, numbers: range, step: int
    ) -> tuple[dict[int, BadRow], dict[str, Counter[int]]]:
        faults: dict[int, BadRow] = {}
        found: dict[str, Counter[int]] = {name: Counter() for name in self.classes}
        for number in numbers:
            try:
                sample = samples[number]
            except ComposerError as error:
                faults[number] = BadRow(samples.title(number), None, str(error))
                continue
            if samples.split != TRAINED and self._lacks_reference(sample):
                faults[number] = BadRow(samples.title(number), self.reference, NO_REFERENCE)
                continue
            looked = _LookedRow(self.own, sample, files=not number % step)
            for name, host in self.inputs.items():
                fault = looked.fault(name, host)
                if fault is not None:
                    faults[number] = BadRow(samples.title(number), samples.column(number, name), fault)
                    break
            else:
                fault = looked.misfit()
                if fault is not None:
                    faults[number] = BadRow(samples.title(number), None, fault)
                    continue
                for name, counts in found.items():
                    counts[looked.class_of(name)] += 1
        return faults, found

    def hold_classes(self) -> None:
        """Raise DataError (C413) where training has one class, or lacks one that the document names."""
        for name, counts in self.classes.items():
            names = self.own.inputs[name].classes or ()
            if len(counts) == 1:
                (only,) = counts
                raise DataError(
                    f"all rows of split `train` have the class `{names[only]}` in input `{name}`: there is nothing to "
                    "learn",
                    "C413",
                    "files",
                    helps=("give rows of the other classes",),
                )
            absent = [each for number, each in enumerate(names) if not counts[number]]
            if absent and self.own.data.absent_classes == "stop":
                shown = ", ".join(f"`{each}`" for each in absent[:SHOWN_CLASSES])
                more = f" and {len(absent) - SHOWN_CLASSES} more" if len(absent) > SHOWN_CLASSES else ""
                noun = "class" if len(absent) == 1 else "classes"
                verb = "does" if len(absent) == 1 else "do"
                raise DataError(
                    f"the {noun} {shown}{more} of input `{name}` {verb} not occur in split `train`",
                    "C413",
                    "absent_classes",
                    helps=(
                        "take them out of the document's `names`, give rows of them, or say --absent-classes allow "
                        "(absent_classes: allow)",
                    ),
                )


class _LookedRow:
    """The values of one row as arrays, held to what the inputs declare."""

    def __init__(self, own: OwnRows, sample: Mapping[str, Any], *, files: bool) -> None:
        self.own, self.sample, self.files = own, sample, files
        self._arrays: dict[int, tuple[HostInputs, dict[str, Any]]] = {}

    def fault(self, name: str, host: HostInputs) -> str | None:
        """Why the value of an input cannot be used; None where it can."""
        from composer.execution.host_values import finite

        item, value = self.own.inputs[name], self.sample.get(name)
        if item.names_files and not self.files:
            return None
        try:
            counts = host.counts(name, lambda other: [self.sample.get(other)])
            ports = host.encode(name, [value], counts)
            self._hold(host, {name: ports})
        except ComposerError as error:
            return str(error)
        if not finite(ports):
            return "it holds a number that is not finite"
        self._arrays.setdefault(id(host), (host, {}))[1][name] = ports
        return None

    def misfit(self) -> str | None:
        """Why the values of the row do not go with each other."""
        try:
            for host, arrays in self._arrays.values():
                self._hold(host, arrays)
        except ComposerError as error:
            return str(error)
        return None

    def class_of(self, name: str) -> int:
        """The class that an input of the row has."""
        (values,) = next(arrays[name] for _, arrays in self._arrays.values() if name in arrays).values()
        return int(values[0])

    def _hold(self, host: HostInputs, arrays: Mapping[str, Any]) -> None:
        host.hold_together(arrays, grouped=self.own.recipe.group is not None)
