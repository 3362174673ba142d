"""Samples of a dataset, as a plugin gives them: drawn, and held to what a task needs of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from composer.data import OwnRows, OwnSamples
from composer.plugin import Config, Dataset, DatasetImplementation, Sample
from composer.plugin.asking import ask, import_object
from composer.plugin.contracts import TRAINED
from composer.plugin.implementations import as_dataset, as_samples, as_splits
from composer.problems import InputError

__all__ = ["TRAINED", "Drawn", "MissingFieldError", "SampleSource", "build_source", "own_source"]

LONGEST_NAME = 60


@dataclass(frozen=True)
class SampleSource:
    """The dataset of one task. Whatever the plugin's code does, the answer is samples or one error that names it."""

    task: str
    id: str
    samples: DatasetImplementation
    title: str = ""
    """What messages about the plugin's code call it."""

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the dataset says it has."""
        what = f"`splits` of {self.title}"
        return ask(lambda: self.samples.splits, what=what, accept=as_splits)

    def draw(self, split: str, epoch: int = 0, *, fields: Mapping[str, str] | None = None) -> Drawn:
        """The samples of a split. `fields` are those that each must have, with what each is for.

        Raises InputError for an empty split and for a sample that lacks one of the fields; PluginError for a plugin
        that fails.
        """
        what = f"{self.title}, asked for split `{split}` of task `{self.task}`,"
        arguments = (split, epoch) if split == TRAINED else (split,)
        answer = ask(self.samples.samples, *arguments, what=what, accept=as_samples)
        drawn = Drawn(self, split, answer, fields or {})
        if not drawn:
            raise InputError(
                f"split `{split}` of dataset `{self.id}` is empty (task `{self.task}`): give it samples, or take it "
                "out of the dataset's `splits`"
            )
        if drawn.in_memory:
            for index in range(len(drawn)):
                drawn.hold(index, answer[index])
        return drawn


class Drawn(Sequence[Sample]):
    """The samples of a split. What the dataset holds in memory is looked through at once, what it reads one by one when
    its turn comes.
    """

    def __init__(
        self, source: SampleSource, split: str, samples: Sequence[object], fields: Mapping[str, str]
    ) -> None:
        self.source, self.split, self._samples, self._fields = source, split, samples, fields
        self.in_memory = isinstance(samples, (list, tuple))
        self._count: int = ask(len, samples, what=f"the number of samples of {source.title}")

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]
        if self.in_memory and type(kept := self._samples[index]) is dict:
            return kept  # held when it was drawn
        return self.hold(index, ask(self._samples.__getitem__, index, what=self._what(index)))

    def hold(self, index: int, sample: object) -> Sample:
        """The sample, or InputError where it is not a map or lacks a field; of a map of the plugin's own type, a plain
        one with the fields that are needed. Raises PluginError where reading the sample fails.
        """
        if isinstance(sample, Mapping) and type(sample) is not dict:
            sample = ask(self._plain, sample, what=self._what(index))
        if isinstance(self._samples, OwnSamples) and isinstance(sample, Mapping):
            return sample  # its columns were held against the inputs
        title = _title(sample, index, self.split, self.source.task)
        if not isinstance(sample, Mapping):
            raise InputError(
                f"{title} is of the type {type(sample).__name__}: a sample is a map from the names of its fields to "
                "their values"
            )
        for name, purpose in self._fields.items():
            if name not in sample:
                known = tuple(map(str, sample))
                told = f"(fields: {', '.join(known) or 'none'})"
                raise MissingFieldError(f"{title} has no field `{name}` {purpose} {told}", name, known)
            if sample[name] is None:
                raise InputError(f"{title} has None in its field `{name}` {purpose}")
        return sample

    def _plain(self, sample: Mapping[str, object]) -> dict[str, object]:
        names = list(sample)
        wanted = [name for name in ("name", *self._fields) if name in names]
        return dict.fromkeys(names) | {name: sample[name] for name in wanted}

    def _what(self, index: int) -> str:
        return f"{self.source.title}, asked for sample {index} of split `{self.split}`,"

    def title(self, index: int) -> str:
        """What messages call a sample: where it stands, and its own name where it has one."""
        if isinstance(self._samples, OwnSamples):
            return self._samples.title(index)
        return _title(self[index], index, self.split, self.source.task)

    def place(self, index: int, name: str, field: str) -> str:
        """What messages call the value of an input, which reads a field."""
        if isinstance(self._samples, OwnSamples):
            return self._samples.place(index, name)
        return f"{self.title(index)}, field `{field}`"


def _title(sample: object, index: int, split: str, task: str) -> str:
    own = sample.get("name") if isinstance(sample, Mapping) else None
    named = f" (`{own}`)" if isinstance(own, (str, int)) and len(str(own)) <= LONGEST_NAME else ""
    return f"sample {index}{named} of split `{split}` for task `{task}`"


class MissingFieldError(InputError):
    """A sample lacks a field; `known` are those that it has."""

    def __init__(self, message: str, name: str, known: tuple[str, ...]) -> None:
        self.name, self.known = name, known
        super().__init__(message)


def own_source(own: OwnRows) -> SampleSource:
    """A user's own rows as the data of a task."""
    return SampleSource(own.task, own.name, own, f"the data {own.name}")


def build_source(task: str, entry: Dataset, config: Config) -> SampleSource:
    """Build the dataset of a task. Raises PluginError where the plugin's code fails."""
    builder = import_object(entry.builder, entry.title)
    samples = ask(builder, config, what=entry.title, accept=as_dataset)
    return SampleSource(task, entry.id, samples, entry.title)
