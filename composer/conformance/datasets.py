"""The promise of a dataset: samples by split, the same ones whenever they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from shutil import which

from composer.conformance.examples import example_configs
from composer.conformance.hash_seed import samples_elsewhere
from composer.conformance.report import Failure, Skip
from composer.conformance.sameness import kept, same
from composer.plugin.asking import PluginError, ask, import_object
from composer.plugin.contracts import TRAINED, DatasetImplementation, Sample
from composer.plugin.declarations import Config, Dataset
from composer.plugin.implementations import as_dataset, as_samples, as_splits
from composer.problems import InputError

__all__ = ["check_dataset", "skip_missing_package", "skip_missing_packages"]

LOOKED_AT = 8
"""Samples of a split that are compared."""


def check_dataset(entry: Dataset) -> str:
    """Build it twice with each example: every split has samples, which are the same wherever that is promised."""
    skip_missing_packages(entry)
    required = [name for name, field in entry.config.model_fields.items() if field.is_required()]
    if required and not entry.examples:
        raise Skip(
            f"its config has no default for {', '.join(required)}, so nothing was drawn: give the Dataset `examples`"
        )
    for number, config in enumerate(example_configs(entry)):
        try:
            drawn = _check(entry, config)
            if number == 0:  # a process for each would take long
                _hold_elsewhere(entry, config, drawn)
        except (InputError, PluginError) as error:
            skip_missing_package(error, entry.builder)
            if isinstance(error, InputError) and not entry.examples:
                raise Skip(
                    f"it refuses its defaults ({error}): give the Dataset `examples` that it takes anywhere"
                ) from None
            raise
    return ""


def skip_missing_packages(entry: Dataset) -> None:
    """Raises Skip where a distribution that the samples come from, or a program that makes them, is not installed."""
    for name in entry.packages:
        try:
            distribution(name)
        except PackageNotFoundError:
            raise Skip(f"its samples come from `{name}` (its `packages`), which is not installed") from None
    for program in entry.programs:
        if which(program) is None:
            raise Skip(f"its samples are made by `{program}` (its `programs`), which is not installed")


def skip_missing_package(error: BaseException, reference: str) -> None:
    """Raises Skip where an error comes of a module that another package would bring than the plugin's own."""
    own = reference.partition(":")[0].partition(".")[0]
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError) and cause.name and cause.name.partition(".")[0] != own:
            raise Skip(f"it needs the module `{cause.name}`, which is not installed") from None
        cause = cause.__cause__ or cause.__context__


def _check(entry: Dataset, config: Config) -> Mapping[str, _Drawn]:
    """Every split as it was drawn first."""
    builder = import_object(entry.builder, entry.title)
    first, second = (ask(builder, config, what=entry.title, accept=as_dataset) for _ in range(2))
    splits = ask(lambda: first.splits, what=f"`splits` of {entry.title}", accept=as_splits)
    if not splits or len(set(splits)) != len(splits):
        raise Failure(f"its splits are {list(splits)}; one name or more, each once, are expected")
    return {split: _check_split(entry, first, second, split) for split in splits}


def _hold_elsewhere(entry: Dataset, config: Config, drawn: Mapping[str, _Drawn]) -> None:
    """Raises Failure where the order of a set of texts decides what is drawn."""
    places = {split: [*each.samples] for split, each in drawn.items()}
    found = samples_elsewhere(entry.builder, config, places) or {}
    for split, (count, samples) in found.items():
        there = _Drawn(split, count, {index: dict(sample) for index, sample in samples.items()})
        _hold_same(drawn[split], there, "another process gives (sort what comes out of a set)")


def _check_split(
    entry: Dataset, first: DatasetImplementation, second: DatasetImplementation, split: str
) -> _Drawn:
    """The split as it was drawn first."""
    drawn = [_draw(entry, first, split), _draw(entry, first, split, 1)]
    for index in range(len(drawn)):
        if drawn[index].count != drawn[0].count:
            raise Failure(
                f"split `{split}` has {drawn[0].count} samples, and {drawn[1].count} in the next epoch; every epoch "
                "has equally many"
            )
        _hold_same(drawn[index], _draw(entry, first, split, index), "asked again, it gives")
        _hold_same(
            drawn[index], _draw(entry, second, split, index), "built again of the same config, it gives"
        )
    if split != TRAINED:
        _hold_same(drawn[0], drawn[1], f"every split but `{TRAINED}` is fixed, and the next epoch has")
    return drawn[0]


@dataclass(frozen=True)
class _Drawn:
    """A split as it was drawn: how many samples it has, and those that are compared, by their places."""

    split: str
    count: int
    samples: Mapping[int, Sample]


def _draw(entry: Dataset, dataset: DatasetImplementation, split: str, epoch: int = 0) -> _Drawn:
    """Samples as they are now. The first epoch is asked for as scoring does it, by the split alone."""
    what = f"{entry.title}, asked for split `{split}`,"
    arguments = (split, epoch) if epoch else (split,)
    samples = ask(dataset.samples, *arguments, what=what, accept=as_samples)
    count = ask(len, samples, what=f"the number of samples of split `{split}`")
    if not count:
        raise Failure(f"its split `{split}` is empty: give it samples, or take it out of `splits`")
    places = {*range(0, count, -(-count // LOOKED_AT)), count - 1}
    in_memory = isinstance(samples, (list, tuple))
    for index in range(count) if in_memory else ():
        _hold_fields(entry, split, index, samples[index])
    found = {}
    for index in sorted(places):
        sample = ask(samples.__getitem__, index, what=f"{what[:-1]} and its sample {index},")
        if not in_memory:
            _hold_fields(entry, split, index, sample)
        found[index] = {name: kept(sample[name]) for name in sample}
    return _Drawn(split, count, found)


def _hold_fields(entry: Dataset, split: str, index: int, sample: object) -> None:
    title = f"sample {index} of split `{split}`"
    if not isinstance(sample, Mapping) or not all(isinstance(name, str) for name in sample):
        raise Failure(
            f"{title} is a {type(sample).__name__}; a map from names of fields to values is expected"
        )
    for name in entry.gives:
        if sample.get(name) is None:
            known = "None in" if name in sample else f"{', '.join(sample) or 'no fields'}, and not"
            raise Failure(f"{title} has {known} the field `{name}`, which `gives` names")


def _hold_same(expected: _Drawn, found: _Drawn, when: str) -> None:
    if expected.count != found.count:
        raise Failure(f"{when} {found.count} samples of split `{found.split}` instead of {expected.count}")
    for index, sample in expected.samples.items():
        if not same(sample, found.samples[index]):
            raise Failure(f"{when} another sample {index} of split `{found.split}`")
