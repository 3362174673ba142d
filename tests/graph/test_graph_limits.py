"""Sizes that are known by their limits: what an input can bring against what a module takes."""

from __future__ import annotations

from typing import Any

import pytest

from composer.graph import Report, check, free_dims
from composer.language import Source
from composer.plugin import Method, ModuleType, NoConfig, hookimpl, load_registry
from composer.types import UNBOUNDED, Field, Kind, Signature, Symbol, parse_dim, parse_port_type

REGISTRY = load_registry()


def checked(text: str) -> Report:
    return check(Source("doc.yaml", text), registry=REGISTRY)


def encoder(limit: str, positions: int, more: str = "") -> str:
    return f"""\
composer: 1
modules:
  text: {{uses: mplug2.text_encoder, with: {{hidden: 64, heads: 4, layers: 1, positions: {positions}}}}}
tasks:
  t:
    inputs: {{q: {{modality: text, with: {{tokenizer: bert-uncased{limit}}}}}}}
    nodes:
      w: {{call: text, inputs: {{tokens: q.tokens}}}}
{more or "      v: {uses: core.pool, inputs: {states: w.states}}"}
    outputs: {{v: v.embedding}}
"""


@pytest.mark.parametrize(
    ("limit", "positions", "fits"),
    [
        (", max_tokens: 24", 24, True),
        (", max_tokens: 25", 24, False),
        ("", 512, True),
        (", max_tokens: null", 24, False),
    ],
)
def test_the_longest_text_fits_the_positions(limit: str, positions: int, fits: bool) -> None:
    report = checked(encoder(limit, positions))
    assert [(p.code, p.place.line) for p in report.problems] == ([] if fits else [("C203", 8)])
    if not fits:
        (problem,) = report.problems
        brought = "has no limit" if "null" in limit else "can be up to 25"
        assert problem.message == f"the length of q.tokens {brought}, and w.tokens takes at most 24"
        cures = ("set input q: max_tokens to 24", "set text.positions to 25")
        assert problem.helps == cures[: 1 if "null" in limit else 2]


def test_a_default_gives_way_with_a_warning() -> None:
    """Nobody wrote that texts have 512 tokens: the document runs, and says what becomes of longer ones."""
    report = checked(encoder("", 24))
    (problem,) = report.problems
    assert (problem.severity, problem.code, problem.place.line) == ("warning", "C225", 6)
    assert problem.helps == ("write `max_tokens: 24` in its `with`",)
    assert report.tasks["t"].ranges[Symbol("L", "q")] == (1, 24)


@pytest.mark.parametrize(("position", "fits"), [(0, True), (9, True), (10, False), (20, False)])
def test_a_position_beyond_the_longest_text(position: int, fits: bool) -> None:
    more = f"      v: {{uses: core.select, inputs: {{states: w.states}}, with: {{position: {position}}}}}"
    report = checked(encoder(", max_tokens: 10", 24, more))
    assert [(p.code, p.place.line) for p in report.problems] == ([] if fits else [("C203", 9)])


def test_a_sum_of_two_texts_has_a_limit_too() -> None:
    more = """\
      d: {uses: core.concat, inputs: {first: w.states, second: w.states}}
      v: {uses: core.select, inputs: {states: d.states}, with: {position: POSITION}}"""
    assert checked(encoder(", max_tokens: 10", 24, more.replace("POSITION", "19"))).problems == ()
    (problem,) = checked(encoder(", max_tokens: 10", 24, more.replace("POSITION", "20"))).problems
    assert (problem.code, problem.place.line) == ("C203", 10)
    assert problem.message == "the length of d.states can be up to 20, and v.states takes 21 or more"


SEARCH = """\
composer: 1
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1}}
  decoder:
    uses: mplug2.text_decoder
    with: {hidden: 64, heads: 4, layers: 1, positions: POSITIONS}
tasks:
  t:
    inputs: {q: {modality: text, with: {tokenizer: bert-uncased}}}
    nodes:
      w: {call: text, inputs: {tokens: q.tokens}}
      r:
        generate: decoder
        inputs: {memory: w.states}
        OPTIONS
    outputs: {r: r.text}
"""


@pytest.mark.parametrize(
    ("positions", "options", "line"),
    [
        (24, "with: {max_tokens: 40}", 15),
        (10, "summary: the default is 20", 6),
        (40, "with: {max_tokens: 40}", 0),
    ],
)
def test_a_search_beyond_the_positions_is_placed_at_its_limit(
    positions: int, options: str, line: int
) -> None:
    report = checked(SEARCH.replace("POSITIONS", str(positions)).replace("OPTIONS", options))
    assert [(p.code, p.place.line) for p in report.problems] == ([("C206", line)] if line else [])
    assert all("positions" in problem.message for problem in report.problems)


class Hearing:
    """A module whose states have no largest length, and one that takes them from a length on."""

    @hookimpl
    def composer_register(self, register: Any) -> None:
        made = Signature({"states": "states[B, N, 4]"}, {"heard": "states[B, M, 4]"}, {"M": (1, UNBOUNDED)})
        methods = {"forward": Method(lambda config: made)}
        register(ModuleType("test.hears", NoConfig, methods, f"{__name__}:Hearing", "Hears."))


@pytest.mark.parametrize("nodes", ["", "      j: {uses: core.concat, inputs: {first: j0, second: x}}\n"])
def test_what_has_no_limit_has_none_in_sums(nodes: str) -> None:
    """A sum of lengths without an upper end is no more than another length without one."""
    text = f"""\
composer: 1
modules: {{hears: {{uses: test.hears}}}}
tasks:
  t:
    inputs: {{x: {{modality: array, with: {{kind: states, dims: [B, S, 4]}}}}}}
    nodes:
      h: {{call: hears, inputs: x}}
      {"j0" if nodes else "j"}: {{uses: core.concat, inputs: {{first: h, second: h}}}}
{nodes}      v: {{uses: core.select, inputs: j, with: {{position: 0}}}}
    outputs: {{v: v}}
"""
    report = check(Source("doc.yaml", text), registry=load_registry([("hearing", Hearing())]))
    assert report.problems == ()


def test_symbols_of_one_name_share_their_limits() -> None:
    ports = {name: parse_port_type(f"states[B, {symbol}, 4]") for name, symbol in (("a", "L"), ("b", "M"))}
    ranges = {Symbol("L"): (1, 10), Symbol("M"): (2, UNBOUNDED)}
    table = free_dims({"x": ports}, REGISTRY.kinds, ranges)
    assert {name: (found.symbols, found.limits) for name, found in table.items()} == {
        "batch": (("B",), (1, UNBOUNDED)),
        "x.length": (("L", "M"), (2, 10)),
    }


@pytest.mark.parametrize(
    ("dim", "expected"),
    [
        ("L", (1, 10)),
        ("3*L + 1", (4, 31)),
        ("N", (1, UNBOUNDED)),
        ("N - 5", (-4, UNBOUNDED)),
        ("4*N", (4, UNBOUNDED)),
        ("N // 160", (0, UNBOUNDED)),
        ("20 - N", (-UNBOUNDED, 19)),
        ("L - N // 2", (-UNBOUNDED, 10)),
    ],
)
def test_the_ends_of_a_size(dim: str, expected: tuple[int, int]) -> None:
    assert parse_dim(dim).bounds({"L": (1, 10)}) == expected


def test_the_batch_is_the_dimension_that_the_kind_calls_so() -> None:
    kinds = {
        "positions": Kind(
            "positions", "", ("axes", "batch", "length"), {"values": Field("int64", (0, 1, 2))}
        ),
        "cells": Kind("cells", "", ("pictures", "axes"), {"values": Field("int64", (0, 1))}),
        "states": REGISTRY.kinds["states"],
    }
    inputs = {
        "where": {"positions": parse_port_type("positions[A, B, L]")},
        "words": {"states": parse_port_type("states[B, L, 8]")},
        "page": {"cells": parse_port_type("cells[P, 2]")},
    }
    found = {name: each.symbols for name, each in free_dims(inputs, kinds, {}).items()}
    assert found == {"where.axes": ("A",), "batch": ("B",), "where.length": ("L",), "page.batch": ("P",)}


@pytest.mark.parametrize(
    ("sizes", "column", "said"),
    [("output_dim: %d", 45, "output_dim"), ("output_dim: 1, input_dim: %d", 59, "input_dim")],
)
def test_a_size_that_no_tensor_has_is_not_a_fault_of_the_plugin(sizes: str, column: int, said: str) -> None:
    huge = str(10**20)
    (error,) = checked(f"""\
composer: 1
modules:
  m: {{uses: core.linear, with: {{{sizes.replace("%d", huge)}}}}}
tasks:
  t:
    inputs: {{f: {{modality: array, with: {{kind: states, dims: [B, N, 8]}}}}}}
    nodes: {{s: {{call: m, inputs: f}}}}
    outputs: {{s: s}}
""").problems
    assert (error.code, error.place.line, error.place.column) == ("C206", 3, column)
    assert f"{said} {huge}: no tensor is as large" in error.message
