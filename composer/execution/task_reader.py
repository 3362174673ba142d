"""The two halves of answering a batch: the host reads raw values, in any thread, and the task answers them later.

A live model and an artifact share it, so that whoever answers many rows reads the next ones while the task runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from composer.execution.host_inputs import Arrays, HostInput, HostInputs
from composer.execution.inputs import nth_sample
from composer.execution.same_values import SameValues
from composer.plugin.implementations import BoundSearch
from composer.problems import ComposerError
from composer.types import Kind

__all__ = ["InputFacts", "OutputFacts", "ReadBatch", "SharesRows", "TaskReader", "UndividedError"]

Answers = Callable[[Any, object], Mapping[str, Any]]
"""What was fitted and a seed to the value of every output, for the whole batch."""


@dataclass(frozen=True)
class InputFacts:
    """What whoever brings values of an input can know of it."""

    modality: str
    names_files: bool
    """Whether a text that is given as its value is the path of a file."""
    per_sample: bool
    """Whether each sample of an answer has a value of its own; others have what all samples of a batch share."""
    varies: bool
    """Whether its size depends on the value, so that values of near size go well together."""
    may_be_absent: bool = False
    """Whether a sample may come without it."""
    is_list: bool = False
    """Whether a sample may have several values, in a list."""


@dataclass(frozen=True)
class OutputFacts:
    """What is known of an output before there is a value."""

    kind: Kind
    varies: bool
    """Whether samples of one batch are as long as the longest of them."""
    pad: int | None = None
    """What fills the shorter ones, where it is an id."""

    def sample(self, value: Any, index: int) -> object:
        """One sample of a batch, without what fills it up to the longest."""
        return nth_sample(value, self.kind, index, pad=self.pad)


class UndividedError(ComposerError):
    """An output has no part for each sample of a batch."""


class ReadBatch:
    """Raw values that were read; `answers` may be called in another thread than the one that read them."""

    def __init__(
        self, fitted: object, count: int, answer: Answers, outputs: Mapping[str, OutputFacts]
    ) -> None:
        self._fitted = fitted
        self._count = count
        self._answer = answer
        self._outputs = outputs

    def answers(self, seed: object = None) -> list[dict[str, Any]]:
        """The outputs of every sample, each as `run` gives them for that sample alone.

        Raises UndividedError where an output of several samples has no part for each.
        """
        values = self._answer(self._fitted, seed)
        if self._count > 1:
            for name, value in values.items():
                if self._outputs[name].kind.rows(value) != self._count:
                    raise UndividedError(f"output `{name}` has no part for each of several samples")
        return [
            {name: self._outputs[name].sample(value, index) for name, value in values.items()}
            for index in range(self._count)
        ]


class SharesRows(Protocol):
    """Has what depends on shared values alone run once for each value, not once for each row."""

    def fitted(self, raw: Mapping[str, object], same: SameValues) -> object | None:
        """What was read of a batch, for `answer`; None where nothing would run on fewer rows than the batch has.

        Raises InputError for values that cannot be used.
        """


class TaskReader:
    """Reads the raw values of one task. Thread-safe."""

    def __init__(
        self,
        host: HostInputs,
        *,
        fit: Callable[[dict[str, Arrays]], Any],
        answer: Answers,
        outputs: Mapping[str, OutputFacts],
        sizes: tuple[int, int | None],
        searches: Sequence[BoundSearch],
        check_seed: Callable[[object], object],
        sharing: SharesRows | None = None,
    ) -> None:
        self._check_seed = check_seed
        self._sharing = sharing
        self._searches = searches
        self._host = host
        self._same = SameValues()
        self._fit = fit
        self._answer = answer
        self._outputs = outputs
        self.sizes = sizes
        """The fewest and the most samples of one batch; None where there is no limit."""

    @property
    def inputs(self) -> dict[str, InputFacts]:
        """Every input of the task."""
        return {
            name: InputFacts(
                modality=item.modality.id,
                names_files=item.modality.names_files,
                per_sample=name in self._host.per_sample,
                varies=_varies(item),
                may_be_absent=item.may_be_absent,
                is_list=item.several is not None and item.several.is_list,
            )
            for name, item in self._host.inputs.items()
        }

    @property
    def undivided(self) -> str | None:
        """An output of which a sample cannot be told from what fills it up to the longest one of its batch."""
        if not any(map(_varies, self._host.inputs.values())):
            return None
        found = self._outputs.items()
        return next((n for n, o in found if o.varies and o.kind.mask is None and o.pad is None), None)

    @property
    def draws_apart(self) -> bool:
        """Whether, with a seed, each sample of a batch draws as it would alone."""
        return all(search.policy.seeded in (False, "each") for search in self._searches)

    def check_seed(self, seed: object) -> None:
        """Raises InputError for what is not a seed, and where the task takes none."""
        self._check_seed(seed)

    def read(self, raw: Mapping[str, object]) -> ReadBatch:
        """Read the values of a batch: files are decoded, texts become tokens.

        Raises InputError for inputs that are missing, unexpected, unusable or do not go together.
        """
        self._host.check_names(raw)
        raw = self._host.whole(raw)
        fitted = None if self._sharing is None else self._sharing.fitted(raw, self._same)
        if fitted is None:
            known = self._same.known(self._host, raw, self._host.inputs)
            fitted = self._fit(self._host.arrays(raw, raw, known))
        return ReadBatch(fitted, self._host.samples(raw), self._answer, self._outputs)


def _varies(item: HostInput) -> bool:
    dims = (dim for port in item.ports.values() for dim in port.type.dims)
    return any(not dim.is_number and dim != item.batch for dim in dims)
