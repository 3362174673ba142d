"""Inputs of modality `array`: dims and kinds that no array has are told at their own place; a size that only a node
knows is taken for no other."""

from __future__ import annotations

import pytest
from documents import checked

from composer.graph import check
from composer.language import Source
from composer.problems import Problem

DOCUMENT = """\
composer: 1
tasks:
  t:
    inputs: {a: {modality: array, with: {kind: KIND, dims: DIMS}}}
    nodes: {p: {uses: core.pool, inputs: a}}
    outputs: {p: p}
"""


def problems(kind: str = "states", dims: str = "[B, N, 8]") -> tuple[Problem, ...]:
    return checked(DOCUMENT.replace("KIND", kind).replace("DIMS", dims)).problems


@pytest.mark.parametrize(
    ("written", "cure"),
    [
        ("N*2", "write 2*N"),
        ("2N", "write 2*N"),
        ("N / 2", "write N // 2"),
        ("1_000", "write 1000"),
        ("ñ", "ASCII"),
        ('""', "write a number, a symbol"),
        ("B N", "write two dimensions: B, N"),
        ("-1", "write a symbol of your own, such as N"),
        ("0", "write a symbol of your own, such as N"),
        ("null", "write a symbol of your own, such as N"),
        ("'?'", "write a symbol of your own, such as N"),
        ("1.5", "a size is a whole number"),
        ("2.0", "a size is a whole number"),
        (".inf", "a size is a whole number"),
        ("1" + "0" * 30, "larger than any tensor"),
        ("'" + "1" * 30 + "'", "larger than any tensor"),
        ("[B, N]", "write one flat list"),
        ("{a: 1}", "write a number or a symbol"),
        ("true", "write a number or a symbol"),
    ],
)
def test_what_is_no_dimension_is_told_at_its_own_place(written: str, cure: str) -> None:
    (problem,) = problems(dims=f"[B, {written}, 8]")
    line = DOCUMENT.replace("KIND", "states").replace("DIMS", f"[B, {written}, 8]").splitlines()[3]
    assert (problem.code, problem.place.line) == ("C206", 4)
    assert problem.place.column == line.index(f"{written}, 8]") + 1
    assert "is not a dimension" in problem.message
    assert cure in problem.message
    assert len(problem.message) < 250


@pytest.mark.parametrize("written", ["B", "8", "null", "{B: 2}", '"[B, N, 8]"'])
def test_dims_are_a_list(written: str) -> None:
    (problem,) = problems(dims=written)
    assert "dims are a list, batch first, such as [B, N, 768]" in problem.message


@pytest.mark.parametrize(
    "dims", ["[B, N // 2 + 1, 8]", "[B, 2*N, 8]", "[B, (N + 3) // 4, 8]", "[B, '7', 8]", "[4, N, 8]"]
)
def test_numbers_symbols_sums_and_quotients_are_dimensions(dims: str) -> None:
    assert not problems(dims=dims)


@pytest.mark.parametrize(
    ("kind", "dims", "code", "says"),
    [
        ("text", "[B]", "C220", "holds no numbers"),
        ("scalar", "[]", "C220", "one number for the whole batch"),
        ("scalar", "[B]", "C220", "one number for the whole batch"),
        ("State", "[B]", "C206", "'State' is not a kind"),
        ("'states[B]'", "[B]", "C206", "its dimensions stand under `dims`"),
        ("states:V", "[B, N, 8]", "C206", "a role is written in small letters"),
        ("state", "[B, N, 8]", "C220", "not a registered kind"),
        ("states", "[B, N]", "C220", "has 2 dims; its kind has 3"),
        ("states", "[]", "C220", "has 0 dims; its kind has 3"),
    ],
)
def test_kinds_and_dims_go_together(kind: str, dims: str, code: str, says: str) -> None:
    (problem,) = problems(kind, dims)
    assert problem.code == code
    assert says in problem.message


REPEATED = """\
composer: 1
tasks:
  t:
    inputs:
      a: {modality: array, with: {kind: states, dims: [B, N, 8]}}
      n: {modality: array, with: {kind: counts, dims: [B]}}
      b: {modality: array, with: {kind: states, dims: [P, N, 8]}}
    nodes:
      r: {uses: core.repeat, inputs: {states: a, counts: n}}
      s: {uses: core.add, inputs: {first: FIRST, second: SECOND}}
    outputs: {s: s}
"""


@pytest.mark.parametrize(("first", "second"), [("r", "a"), ("a", "r")])
def test_a_size_that_a_node_makes_is_not_one_that_it_reads(first: str, second: str) -> None:
    (problem,) = checked(REPEATED.replace("FIRST", first).replace("SECOND", second)).problems
    assert problem.code == "C203"
    assert any("only node `r` knows" in text for text in problem.helps)


def test_as_many_rows_may_come_from_the_caller() -> None:
    report = checked(REPEATED.replace("FIRST", "r").replace("SECOND", "b"))
    assert report.ok
    twice = (
        REPEATED.replace("FIRST", "b")
        .replace("SECOND", "t")
        .replace("      s:", "      t: {uses: core.repeat, inputs: {states: a, counts: n}}\n      s:")
    )
    assert checked(twice).ok
    both = (
        REPEATED.replace("FIRST", "r")
        .replace("SECOND", "t")
        .replace("      s:", "      t: {uses: core.repeat, inputs: {states: a, counts: n}}\n      s:")
    )
    assert [p.code for p in checked(both).problems if p.severity == "error"] == ["C203"]


def test_a_batch_of_one_input_is_not_the_repeated_one_of_another_that_goes_with_it() -> None:
    """`b` has as many rows as `r` makes; it cannot have as many as `a` as well."""
    text = (
        REPEATED.replace("FIRST", "r")
        .replace("SECOND", "b")
        .replace(
            "    outputs: {s: s}",
            "      u: {uses: core.add, inputs: {first: a, second: b}}\n    outputs: {s: s, u: u}",
        )
    )
    assert [problem.code for problem in checked(text).problems] == ["C203"]


def test_a_made_length_is_not_an_inputs_length() -> None:
    """Ids that a search makes are not as many as the question's tokens."""
    text = """\
composer: 1
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 32, patch_size: 8, width: 64, layers: 2, frames: 1}}
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 2}}
  decoder: {uses: mplug2.text_decoder, with: {hidden: 64, heads: 4, layers: 2}}
tasks:
  t:
    inputs:
      image: {modality: image, with: {size: 32}}
      question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 20}}
    nodes:
      v: {call: vision.image, inputs: image}
      r: {generate: decoder, inputs: v, with: {max_tokens: 12}}
      w: {call: text, inputs: {tokens: question, token_types: r.ids}}
    outputs: {text: r.text, w: w}
"""
    (problem,) = checked(text).problems
    assert (problem.code, problem.place.line) == ("C203", 14)


DEFAULT = """\
composer: 1
tasks:
  t:
    inputs:
      x: {modality: array, with: {kind: KIND, dims: DIMS}, default: VALUE}
    nodes: {}
    outputs: {x: x}
"""


@pytest.mark.parametrize(
    ("kind", "dims", "value", "fault"),
    [
        ("embedding", "[B, 3]", "[1, 2, 3]", ""),
        ("embedding", "[B, D]", "[1, 2]", ""),
        ("numbers", "[B]", "2.5", ""),
        ("classes", "[B]", '"3"', ""),
        ("embedding", "[B, 8]", "[1, 2, 3]", "a sample has the axes [8], and this one [3]"),
        ("embedding", "[B, 3]", "[[1, 2, 3]]", "a sample has the axes [3], and this one [1, 3]"),
        ("numbers", "[B]", "[1]", "a sample has the axes [], and this one [1]"),
        ("numbers", "[B]", "many", "numbers are expected"),
    ],
)
def test_a_default_is_as_its_dims_say(kind: str, dims: str, value: str, fault: str) -> None:
    text = DEFAULT.replace("KIND", kind).replace("DIMS", dims).replace("VALUE", value)
    problems = check(Source("a.yaml", text)).errors
    assert [problem.code for problem in problems] == ["C274"] * bool(fault)
    assert all(fault in problem.message for problem in problems)
