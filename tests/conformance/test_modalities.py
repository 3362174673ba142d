"""A modality is run on its own raw values: what breaks its declaration is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from composer.conformance import check_plugin
from composer.plugin import Modality, NoConfig, hookimpl


class Plugin:
    def __init__(self, processor: str, sample: str | None = "values", *, names_files: bool = False) -> None:
        self.processor, self.sample, self.names_files = processor, sample, names_files

    @hookimpl
    def composer_register(self, register: Any) -> None:
        register(
            Modality(
                "test.numbers",
                NoConfig,
                lambda config: {"embedding": "embedding[B, 4]"},
                f"{__name__}:{self.processor}",
                "Four numbers.",
                sample=None if self.sample is None else f"{__name__}:{self.sample}",
                names_files=self.names_files,
            )
        )


def values(config: NoConfig) -> list[str]:
    return ["1 2 3 4", "5 6 7 8"]


def one_value(config: NoConfig) -> list[str]:
    return ["1 2 3 4"]


class Right:
    def __init__(self, config: NoConfig) -> None:
        pass

    def encode(self, values: list[str]) -> dict[str, Any]:
        return {"embedding": np.array([text.split() for text in values], dtype="float32")}


class Narrow(Right):
    def encode(self, values: list[str]) -> dict[str, Any]:
        return {"embedding": super().encode(values)["embedding"][:, :3]}


class Together(Right):
    """One row, however many values there are."""

    def encode(self, values: list[str]) -> dict[str, Any]:
        return {"embedding": super().encode(values)["embedding"][:1]}


class Flat(Right):
    def encode(self, values: list[str]) -> dict[str, Any]:
        return {"embedding": super().encode(values)["embedding"].reshape(-1)}


class Other(Right):
    def encode(self, values: list[str]) -> dict[str, Any]:
        return {"numbers": super().encode(values)["embedding"]}


class Patient(Right):
    """Says that texts are paths, and takes one that leads nowhere."""

    def encode(self, values: list[str]) -> dict[str, Any]:
        return super().encode(["0 0 0 0" if "/" in text else text for text in values])


class Mute(Right):
    tokenizer = object()


class Counting(Right):
    """Each call gives other numbers."""

    calls = 0

    def encode(self, values: list[str]) -> dict[str, Any]:
        self.calls += 1
        return {"embedding": super().encode(values)["embedding"] + self.calls}


class Reusing(Right):
    """Writes all that it gives into one array, and adds to what is there."""

    def __init__(self, config: NoConfig) -> None:
        self.place = np.zeros((2, 4), dtype="float32")

    def encode(self, values: list[str]) -> dict[str, Any]:
        self.place[: len(values)] += super().encode(values)["embedding"]
        return {"embedding": self.place[: len(values)]}


class Relative(Right):
    """Numbers over the largest of the batch."""

    def encode(self, values: list[str]) -> dict[str, Any]:
        found = super().encode(values)["embedding"]
        return {"embedding": found / found.max()}


class Ordered(Right):
    """The first of a batch is told from the others."""

    def encode(self, values: list[str]) -> dict[str, Any]:
        found = super().encode(values)["embedding"]
        found[1:] += 1
        return {"embedding": found}


class Consuming(Right):
    """Takes the numbers out of its raw values."""

    def encode(self, values: list[Any]) -> dict[str, Any]:
        return {"embedding": np.array([[value.pop() for _ in range(4)] for value in values], dtype="float32")}


def lists(config: NoConfig) -> list[list[float]]:
    return [[1.0] * 80, [2.0] * 80]


MADE: list[int] = []


class Numbered(Right):
    """Each instance gives other numbers."""

    def __init__(self, config: NoConfig) -> None:
        MADE.append(len(MADE))
        self.number = len(MADE)

    def encode(self, values: list[str]) -> dict[str, Any]:
        return {"embedding": super().encode(values)["embedding"] * self.number}


class Stammering(Right):
    """Its tokenizer writes another text each time."""

    class tokenizer:  # noqa: N801 (an attribute of processors)
        @staticmethod
        def decode(ids: list[int]) -> str:
            MADE.append(0)
            return "word " * len(MADE)


class Nothing:
    def __init__(self, config: NoConfig) -> None:
        pass


def result(plugin: object) -> tuple[str, str]:
    (found,) = (each for each in check_plugin(plugin).results if each.check == "processor")
    return found.outcome, found.reason


def test_a_processor_that_keeps_its_declaration_passes() -> None:
    assert result(Plugin("Right")) == ("pass", "")


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (
            Plugin("Narrow"),
            "gives embedding of shape [2, 3] for 2 values, and it is declared embedding[B, 4]",
        ),
        (Plugin("Together"), "gives embedding of shape [1, 4] for 2 values"),
        (Plugin("Flat"), "gives embedding of shape [8] for 2 values, and it is declared embedding[B, 4]"),
        (Plugin("Other"), "a value for the port embedding is expected"),
        (Plugin("Mute"), "has no `tokenizer` with the method `decode`"),
        (Plugin("Counting"), "`encode` gives another embedding for the same values, asked again"),
        (Plugin("Reusing"), "`encode` gives another embedding for the same values, asked again"),
        (Plugin("Numbered"), "for the same values, of a processor that is made anew of the same config"),
        (Plugin("Stammering"), "its tokenizer decodes the same ids to"),
        (Plugin("Nothing"), "an object with the method `encode` is expected"),
        (Plugin("Patient", names_files=True), "takes no-such-folder/no-such-file, which is not there"),
        (Plugin("Right", "one_value"), "its `sample` gives no list of two raw values or more"),
    ],
)
def test_a_broken_promise_is_told(plugin: Plugin, reason: str) -> None:
    outcome, told = result(plugin)
    assert outcome == "fail"
    assert reason in told


def test_a_modality_without_raw_values_is_skipped_with_the_reason() -> None:
    assert result(Plugin("Right", None)) == (
        "skip",
        "it names no raw values (`sample`), so its processor was not run",
    )


class Pair:
    """Two ports that share a width."""

    def __init__(self, widths: tuple[int, int]) -> None:
        self.widths = widths

    @hookimpl
    def composer_register(self, register: Any) -> None:
        ports = {"one": "embedding[B, D]", "other": "embedding[B, D]"}
        name = f"{__name__}:{'Alike' if len(set(self.widths)) == 1 else 'Unlike'}"
        register(
            Modality(
                "test.pair", NoConfig, lambda config: ports, name, "A pair.", sample=f"{__name__}:values"
            )
        )


class Alike(Right):
    """Backwards in memory, as a run takes it."""

    def encode(self, values: list[str]) -> dict[str, Any]:
        found = super().encode(values)["embedding"]
        return {"one": found[:, ::-1], "other": found}


class Unlike(Right):
    def encode(self, values: list[str]) -> dict[str, Any]:
        found = super().encode(values)["embedding"]
        return {"one": found, "other": found[:, :3]}


def test_a_symbol_is_one_size_in_all_ports() -> None:
    outcome, told = result(Pair((4, 3)))
    assert outcome == "fail"
    assert "takes embedding[B, D], and the width of what came is 3, and input `one` has D = 4" in told
    assert result(Pair((4, 4))) == ("pass", "")


@pytest.mark.parametrize(
    ("processor", "sample", "told"),
    [
        ("Relative", "values", "another embedding for value 0 of its `sample` where it comes alone"),
        (
            "Ordered",
            "values",
            "another embedding for value 0 of its `sample` where the values come in another order",
        ),
        ("Consuming", "lists", "`encode` changes the raw values that it is given: work on a copy"),
    ],
)
def test_a_value_is_encoded_the_same_beside_others(processor: str, sample: str, told: str) -> None:
    outcome, reason = result(Plugin(processor, sample))
    assert outcome == "fail"
    assert told in reason
