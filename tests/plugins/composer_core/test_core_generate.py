"""Searches with their rules against `generate` of transformers on a tiny GPT-2: the same ids, case by case."""

from __future__ import annotations

from typing import Any

import pytest
from library_options import OURS
from tiny_gpt2 import END, framing_of, recorded, searched

WEIGHTS, CASES = recorded()
SEEDS = [5, 6, 7]


def title(case: dict[str, Any]) -> str:
    options = {name: value for name, value in case["options"].items() if name != "max_new_tokens"}
    return f"{'prompt' if case['prompted'] else 'start'} " + " ".join(f"{k}={v}" for k, v in options.items())


def policy_of(options: dict[str, Any]) -> str:
    return (
        "core.sample"
        if options.get("do_sample")
        else "core.beam"
        if "num_beams" in options
        else "core.greedy"
    )


@pytest.mark.parametrize("case", CASES, ids=title)
def test_ids_are_those_of_generate(case: dict[str, Any]) -> None:
    asked = case["options"]
    options = {OURS[name]: value for name, value in asked.items() if name in OURS}
    found = searched(
        WEIGHTS,
        policy_of(asked),
        options,
        framing_of(asked),
        prompted=case["prompted"],
        seed=SEEDS if case["prompted"] else SEEDS[0],
    )
    assert [list(text.ids[1:]) for text in found] == case["ids"]


def test_the_cases_tell_searches_apart() -> None:
    """The rules matter: most of them change what is written, and some texts end while others do not."""
    texts = {title(case): case["ids"] for case in CASES}
    assert len({str(ids) for ids in texts.values()}) > 0.6 * len(texts)
    ends = [ids[-1] == END for each in texts.values() for ids in each]
    assert 0 < sum(ends) < len(ends)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_generate_still_writes_what_was_recorded() -> None:
    import generate_reference

    model = generate_reference.tiny_model()
    weights = generate_reference.tiny_weights(model)
    assert [generate_reference.answered(model, weights, case) for case in CASES] == [
        case["ids"] for case in CASES
    ]
