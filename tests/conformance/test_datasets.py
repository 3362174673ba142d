"""A dataset is drawn split by split: what breaks its contract is told, and what cannot be drawn here is skipped."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from composer.conformance import check_plugin
from composer.plugin import Config, Dataset, NoConfig, hookimpl
from composer.problems import InputError


class SizeConfig(Config):
    size: int


class Plugin:
    def __init__(self, builder: str, config: type[Config] = NoConfig, **parts: Any) -> None:
        reference = builder if ":" in builder else f"{__name__}:{builder}"
        self.entry = Dataset("test.points", config, reference, "Points.", **parts)

    @hookimpl
    def composer_register(self, register: Any) -> None:
        register(self.entry)


class Right:
    """Two splits; `train` is drawn anew for each epoch."""

    splits: Any = ("train", "validation")

    def __init__(self, config: Config) -> None:
        self.size = getattr(config, "size", 20)

    def samples(self, split: str, epoch: int = 0) -> Any:
        draw = np.random.default_rng(epoch if split == "train" else 7)
        return [self.sample(split, draw.normal(size=3), i) for i in range(self.size)]

    def sample(self, split: str, values: np.ndarray, index: int) -> Any:
        return {"point": values, "class": np.int64(index % 2), "score": float("nan")}


class Lazy(Sequence[Any]):
    def __init__(self, made: list[Any]) -> None:
        self.made = made

    def __len__(self) -> int:
        return len(self.made)

    def __getitem__(self, index: Any) -> Any:
        return self.made[index]


class Reads(Right):
    """Each sample is read when it is asked for."""

    def samples(self, split: str, epoch: int = 0) -> Any:
        return Lazy(super().samples(split, epoch))


class Own(Mapping[str, Any]):
    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)


class OwnMaps(Right):
    def sample(self, split: str, values: np.ndarray, index: int) -> Any:
        return Own(super().sample(split, values, index))


class DrawsValidation(Right):
    def samples(self, split: str, epoch: int = 0) -> Any:
        return super().samples("train", epoch)


class Grows(Right):
    def samples(self, split: str, epoch: int = 0) -> Any:
        return super().samples(split, epoch)[: 9 + epoch]


class Unseeded(Right):
    """One dataset knows what it drew; another one of the same config draws something else."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.start = random.random()

    def sample(self, split: str, values: np.ndarray, index: int) -> Any:
        return {"point": values + self.start}


class Remembers(Right):
    calls = 0

    def sample(self, split: str, values: np.ndarray, index: int) -> Any:
        self.calls += 1
        return {"point": values, "seen": self.calls}


class InPlace(Right):
    """Spoils the very arrays that it gave."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.made = super().samples("validation")

    def samples(self, split: str, epoch: int = 0) -> Any:
        for sample in self.made:
            sample["point"] += 1
        return self.made


class Empty(Right):
    def samples(self, split: str, epoch: int = 0) -> Any:
        return [] if split == "validation" else super().samples(split, epoch)


class Hashed(Right):
    """In the order of a set of texts, which is another in every process."""

    def samples(self, split: str, epoch: int = 0) -> Any:
        return [{"name": name} for name in {f"point-{index}" for index in range(self.size)}]


class Lists(Right):
    def sample(self, split: str, values: np.ndarray, index: int) -> Any:
        return list(values)


class Lacks(Right):
    """One sample among many has no class."""

    def sample(self, split: str, values: np.ndarray, index: int) -> Any:
        return {"point": values} if index == 13 else super().sample(split, values, index)


class LazyLacks(Lacks):
    def samples(self, split: str, epoch: int = 0) -> Any:
        return Lazy(super().samples(split, epoch)[:14])


class Unknown(Right):
    def sample(self, split: str, values: np.ndarray, index: int) -> Any:
        return {"point": values, "class": None}


class Generator(Right):
    def samples(self, split: str, epoch: int = 0) -> Any:
        return iter(super().samples(split, epoch))


class OneName(Right):
    splits = "train"


class Twice(Right):
    splits = ("train", "train")


class NoSplits(Right):
    splits = ()


class NoEpoch(Right):
    def samples(self, split: str) -> Any:  # type: ignore[override]
        return super().samples(split)


class Bare:
    def __init__(self, config: Config) -> None:
        pass


class Refuses(Right):
    def __init__(self, config: Config) -> None:
        raise InputError("the folder points/ is not there")


class NeedsPackage(Right):
    def samples(self, split: str, epoch: int = 0) -> Any:
        try:
            import no_such_library_of_points  # type: ignore[import-not-found]
        except ModuleNotFoundError as error:
            raise InputError("the points need a library; install plugin[points]") from error
        return no_such_library_of_points


def result(plugin: Plugin) -> tuple[str, str, str]:
    (found,) = (each for each in check_plugin(plugin).results if each.subject == "test.points")
    return found.check, found.outcome, found.reason


@pytest.mark.parametrize(
    "plugin",
    [
        Plugin("Right"),
        Plugin("Right", gives=("point", "class")),
        Plugin("Right", SizeConfig, examples=({"size": 1}, {"size": 5})),
        Plugin("Reads", gives=("point", "class")),
        Plugin("OwnMaps", gives=("point", "class")),
        Plugin("Right", packages=("numpy",)),
    ],
)
def test_a_dataset_that_keeps_its_contract_passes(plugin: Plugin) -> None:
    assert result(plugin) == ("samples", "pass", "")


GIVES: Any = {"gives": ("point", "class")}


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (Plugin("DrawsValidation"), "every split but `train` is fixed, and the next epoch has another sample 0"),
        (Plugin("Grows"), "split `train` has 9 samples, and 10 in the next epoch; every epoch has equally many"),
        (Plugin("Unseeded"), "built again of the same config, it gives another sample 0 of split `train`"),
        (Plugin("Remembers"), "asked again, it gives another sample 0 of split `train`"),
        (Plugin("InPlace"), "asked again, it gives another sample 0 of split `train`"),
        (Plugin("Hashed"), "another process gives (sort what comes out of a set) another sample"),
        (Plugin("Empty"), "its split `validation` is empty: give it samples, or take it out of `splits`"),
        (Plugin("Lists"), "sample 0 of split `train` is a list; a map from names of fields to values is expected"),
        (Plugin("Lacks", **GIVES), "sample 13 of split `train` has point, and not the field `class`, which `gives`"),
        (Plugin("LazyLacks", **GIVES), "sample 13 of split `train` has point, and not the field `class`"),
        (Plugin("Unknown", **GIVES), "sample 0 of split `train` has None in the field `class`, which `gives` names"),
        (Plugin("Generator"), "a list of samples, each a map from field to value, is expected"),
        (Plugin("OneName"), "a list of names is expected"),
        (Plugin("Twice"), "its splits are ['train', 'train']; one name or more, each once, are expected"),
        (Plugin("NoSplits"), "its splits are []; one name or more"),
        (Plugin("NoEpoch"), "raises TypeError: "),
        (Plugin("Bare"), "an object with `splits` and `samples(split, epoch)` is expected"),
        (Plugin("Right", SizeConfig, examples=({"size": "all"},)), "its example {'size': 'all'} is refused (size: "),
        (Plugin("Refuses", examples=({},)), "raises InputError: the folder points/ is not there"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_told(plugin: Plugin, reason: str) -> None:
    check, outcome, told = result(plugin)
    assert (check, outcome) == ("samples", "fail")
    assert reason in told


@pytest.mark.parametrize("reference", ["test_no_such_module:Points", f"{__name__}:NoSuchName"])
def test_a_builder_that_is_not_there_is_told_once(reference: str) -> None:
    check, outcome, _ = result(Plugin(reference))
    assert (check, outcome) == ("implementation", "fail")


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (
            Plugin("Right", packages=("no-such-distribution",)),
            "its samples come from `no-such-distribution` (its `packages`), which is not installed",
        ),
        (
            Plugin("NeedsPackage"),
            "it needs the module `no_such_library_of_points`, which is not installed",
        ),
        (
            Plugin("NeedsPackage", examples=({},)),
            "it needs the module `no_such_library_of_points`, which is not installed",
        ),
        (
            Plugin("Right", SizeConfig),
            "its config has no default for size, so nothing was drawn: give the Dataset `examples`",
        ),
        (
            Plugin("Refuses"),
            "it refuses its defaults (the folder points/ is not there): give the Dataset `examples` that it takes "
            "anywhere",
        ),
    ],
)
def test_what_cannot_be_drawn_here_is_skipped_with_the_reason(plugin: Plugin, reason: str) -> None:
    assert result(plugin)[1:] == ("skip", reason)


def test_a_module_that_needs_a_missing_package_is_skipped(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cloudy_points.py").write_text("import no_such_library_of_points\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert result(Plugin("cloudy_points:Points")) == (
        "implementation",
        "skip",
        "it needs the module `no_such_library_of_points`, which is not installed",
    )


@pytest.mark.parametrize("parts", [{"gives": "point"}, {"packages": "numpy"}, {"gives": (1,)}])
def test_fields_and_packages_are_tuples_of_texts(parts: dict[str, Any]) -> None:
    (failure,) = check_plugin(Plugin("Right", **parts)).failures
    assert "not a tuple of texts" in failure.reason
