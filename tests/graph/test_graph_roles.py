"""Roles: a kind that a name narrows. Swapped inputs are found; what has no role goes anywhere."""

from __future__ import annotations

import pytest
from documents import checked

from composer.types import Signature, parse_port_type

DOCUMENT = """\
composer: 1
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 32, patch_size: 8, width: 64, layers: 2, frames: 1}}
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 2}}
  universal: {uses: mplug2.universal_layers, with: {hidden: 64, heads: 4, layers: 1}}
  fusion: {uses: mplug2.fusion, with: {hidden: 64, heads: 4, layers: 2}}
  decoder: {uses: mplug2.text_decoder, with: {hidden: 64, heads: 4, layers: 2}}
  norm: {uses: core.layer_norm, with: {dim: 64}}
  seen: {uses: mplug2.residual_norm, with: {hidden: 64}}
tasks:
  t:
    inputs:
      image: {modality: image, with: {size: 32}}
      question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 20}}
      other: {modality: array, with: {kind: states, dims: [B, 9, 64]}}
      named: {modality: array, with: {kind: states:vision, dims: [B, 9, 64]}}
    nodes:
      v: {call: vision, inputs: image}
      w: {call: text, inputs: question}
      NODE
    outputs: {o: v, p: w, q: other, r: named}
"""


def problems(node: str):
    return [p for p in checked(DOCUMENT.replace("NODE", node)).problems if p.severity == "error"]


def test_swapped_inputs_are_one_problem_that_says_so() -> None:
    (problem,) = problems("f: {call: fusion, inputs: {text: v, vision: w}}")
    assert problem.code == "C202"
    assert problem.message == "v.states is states:vision, and f.text takes states:text"
    assert problem.helps[0] == "`text` and `vision` of `f` are swapped"
    assert not problems("f: {call: fusion, inputs: {text: w, vision: v}}")


@pytest.mark.parametrize(
    "node",
    [
        "f: {call: universal.vision, inputs: w}",
        "f: {call: universal.text, inputs: v}",
        "f: {call: fusion, inputs: {text: w, vision: w}}",
        "f: {call: universal.text, inputs: named}",
        "f: {call: seen, inputs: {states: v, update: w}}",
        # through types that pass states on, whatever they are
        "n: {call: norm, inputs: v}\n      f: {call: universal.text, inputs: n}",
        "n: {uses: core.add, inputs: {first: v, second: v}}\n      f: {call: universal.text, inputs: n}",
        "n: {uses: core.concat, inputs: {first: v, second: named}}\n      f: {call: universal.text, inputs: n}",
    ],
)
def test_a_role_that_is_not_the_wanted_one_is_refused(node: str) -> None:
    (problem,) = problems(node)
    assert problem.code == "C202"
    assert "states:" in problem.message


@pytest.mark.parametrize(
    "node",
    [
        "f: {call: universal.vision, inputs: other}",  # what has no role goes anywhere
        "f: {call: universal.vision, inputs: named}",
        "f: {call: fusion, inputs: {text: w, vision: other}}",
        "f: {generate: decoder, inputs: v}",  # a memory may be either
        "f: {generate: decoder, inputs: w}",
        "n: {uses: core.concat, inputs: {first: v, second: w}}\n      f: {generate: decoder, inputs: n}",
        "n: {uses: core.concat, inputs: {first: v, second: w}}\n      f: {call: universal.text, inputs: n}",  # both
        "f: {call: seen, inputs: {states: v, update: v}}",
        "f: {uses: core.concat, inputs: {first: v, second: w}}",
    ],
)
def test_what_has_no_role_or_the_wanted_one_connects(node: str) -> None:
    assert not problems(node)


def test_the_other_method_is_the_hint() -> None:
    (problem,) = problems("f: {call: universal.vision, inputs: w}")
    assert problem.helps[0].startswith("`call: universal.text` takes states:text[B, L, 64]")


def test_roles_are_part_of_the_types_that_are_shown() -> None:
    report = checked(DOCUMENT.replace("NODE", "n: {call: norm, inputs: v}"))
    types = report.tasks["t"].types
    assert str(types["n", "states"]).startswith("states:vision[")
    assert report.tasks["t"].wanted["n", "states"].role == "vision"
    assert types["other", "states"].role == ""


def test_a_role_is_read_and_written() -> None:
    for text in ("states:vision[B, N, 8]", "states:K+M[B, N // 2, 8]", "scalar:loss"):
        assert str(parse_port_type(text)) == text
    for text in ("states:[B]", "states:1[B]", "states: vision[B]", "states:a:b[B]", "states:K+[B]"):
        with pytest.raises(ValueError, match="not a port type"):
            parse_port_type(text)
    with pytest.raises(ValueError, match="roles are joined in outputs alone"):
        Signature({"states": "states:K+M[B]"}, {})
