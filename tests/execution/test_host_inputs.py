"""The host side of a request, where only plugins could try it: kinds of their own, and processors that are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from composer.execution.host_inputs import HostInput, HostInputs, HostPort, written_symbols
from composer.execution.inputs import first_sample
from composer.execution.slot_values import rows_in
from composer.plugin import Config, Modality, NoConfig, load_registry
from composer.plugin.asking import PluginError
from composer.problems import InputError
from composer.types import Dim, Field, Kind, Port, States, Symbol, parse_port_type

POSITIONS = Kind("positions", "Places.", ("axes", "batch", "length"), {"values": Field("int64", (0, 1, 2))})
TOTAL = Kind("total", "One number for all.", (), {"values": Field("float", ())})
ODD = Modality("odd.input", NoConfig, lambda config: {}, "odd:Processor", "Odd.", plugin="odd (odd 1)")


def inputs(answer: Any, limits: dict[str, tuple[int, int]] | None = None, **types: str) -> HostInputs:
    """One input for each type, whose processor gives `answer`, or what it makes of the values."""
    kinds = {kind.id: kind for kind in (POSITIONS, TOTAL)}

    def encode(values: Sequence[Any]) -> dict[str, Any]:
        return {"port": answer(values) if callable(answer) else answer}

    made = {}
    for name, text in types.items():
        found = parse_port_type(text)
        port = HostPort(kinds[found.kind], found)
        made[name] = HostInput(name, ODD, NoConfig(), SimpleNamespace(encode=encode), {"port": port})
    return HostInputs("t", made, limits or {})


def places(values: Sequence[Any]) -> np.ndarray:
    return np.stack([np.asarray(value) for value in values], axis=1)


class RowsConfig(Config):
    """`with` of a modality that keeps its values to a size."""

    most_rows: int = 9
    """Rows kept."""


def test_a_value_that_is_too_large_is_refused_with_what_its_modality_says_of_sizes() -> None:
    told = Modality(
        "odd.rows", RowsConfig, lambda config: {}, "odd:Processor", "Odd.", limit="most_rows", counted="rows"
    )
    value = np.arange(12).reshape(3, 4)
    for modality, expected in (
        (
            told,
            "input `where` has 4 rows, and task `t` takes at most 3; shorten it, or set its `most_rows` to 3",
        ),
        (ODD, "input `where` has 4 entries, and task `t` takes at most 3; shorten it, or give fewer"),
    ):
        host = inputs(places, {"L": (1, 3)}, where="positions[3, B, L]")
        host.inputs["where"] = replace(host.inputs["where"], modality=modality, config=modality.config())
        with pytest.raises(InputError) as refused:
            host.arrays({"where": [value]}, {"where"})
        assert str(refused.value) == expected


def test_a_limit_is_a_field_of_the_config() -> None:
    with pytest.raises(
        ValueError, match=r"`limit` of the modality odd\.rows is 'rows', which its config does not"
    ):
        Modality("odd.rows", RowsConfig, lambda config: {}, "odd:Processor", "Odd.", limit="rows")


def test_a_batch_that_is_not_the_first_dimension() -> None:
    """Rows are counted, limited and taken where the kind has its batch."""
    host = inputs(places, {"B": (1, 2)}, where="positions[3, B, L]")
    value = np.arange(12).reshape(3, 4)
    arrays = host.arrays({"where": [value, value]}, {"where"})
    assert arrays["where"]["port"].shape == (3, 2, 4)
    assert host.hold_together(arrays) == {"B": 2, "L": 4}
    with pytest.raises(InputError, match="`where` has 3 values, and task `t` takes at most 2"):
        host.arrays({"where": [value] * 3}, {"where"})
    one = first_sample(torch.from_numpy(arrays["where"]["port"]), POSITIONS)
    assert torch.equal(one, torch.from_numpy(value))  # type: ignore[arg-type]


def test_rows_of_a_group_need_not_be_as_many() -> None:
    host = inputs(places, where="positions[3, B, L]", there="positions[3, B, L]")
    value = np.arange(12).reshape(3, 4)
    arrays = {"where": host.encode("where", [value]), "there": host.encode("there", [value, value])}
    assert host.hold_together(arrays, grouped=True) == {"L": 4}
    with pytest.raises(InputError, match="the batch of what came is 2, and input `where` has B = 1"):
        host.hold_together(arrays)


@pytest.mark.parametrize("rows", [1, 4])
def test_a_processor_that_loses_a_value_is_told(rows: int) -> None:
    host = inputs(np.zeros((3, rows, 4), np.int64), where="positions[3, B, L]")
    with pytest.raises(PluginError, match=rf"^`encode` of .*odd.input.* gives {rows} rows? for 2 values$"):
        host.encode("where", ["a", "b"])


def test_one_value_for_the_whole_batch() -> None:
    host = inputs(lambda values: np.float64(values[0]), total="total")
    assert host.arrays({"total": 2}, {"total"})["total"]["port"] == 2.0
    with pytest.raises(InputError, match="input `total` is one value for the whole batch, not a list"):
        host.arrays({"total": [2, 3]}, {"total"})


@pytest.mark.parametrize("number", [-1, 256, 2**63])
def test_numbers_that_a_format_does_not_hold(number: int) -> None:
    kind = Kind("frames", "Bytes.", ("batch",), {"values": Field("uint8", (0,))})
    port = HostPort(kind, parse_port_type("frames[B]"))

    def encode(values: Sequence[Any]) -> dict[str, Any]:
        return {"port": np.array(values)}

    item = HostInput("x", ODD, NoConfig(), SimpleNamespace(encode=encode), {"port": port})
    host = HostInputs("t", {"x": item}, {})
    assert host.encode("x", [0.0, 255])["port"].dtype == np.uint8
    with pytest.raises(InputError, match="input `x` takes numbers from 0 to 255, and"):
        host.encode("x", [number])


def test_symbols_are_written_as_people_write_them() -> None:
    batch, shared = Symbol("B", "<task>"), Symbol("D", "text", lasting=True)
    lengths = {name: Symbol("N", name) for name in ("a", "b")}
    declared = parse_port_type("states[B, N, D]")
    types = {
        name: {"x": declared.with_dims(tuple(map(Dim.of, (batch, length, shared))))}
        for name, length in lengths.items()
    }
    assert written_symbols(types) == {batch: "B", lengths["a"]: "N", shared: "D", lengths["b"]: "N_2"}


def test_rows_are_counted_where_a_kind_has_them() -> None:
    kinds = load_registry().kinds
    ports = {
        "places": Port.of("positions[3, B, L]", optional=True),
        "parts": Port.of("states[B, N, D]", many=True),
        "total": Port.of("scalar"),
    }
    known = {**kinds, "positions": POSITIONS}
    states = States(torch.zeros(2, 5, 4))
    assert rows_in({"places": torch.zeros(3, 7, 2)}, ports, known) == 7
    assert rows_in({"total": torch.zeros(()), "places": None, "parts": (states, states)}, ports, known) == 2
    with pytest.raises(ValueError, match="none of the ports total has a batch"):
        rows_in({"total": torch.zeros(())}, ports, known)
