"""Messages that name the cause once, in plain words: swapped inputs, values as answers, refused options."""

from __future__ import annotations

import pytest

from composer.graph import check
from composer.graph.plain_refusals import plain_words
from composer.language import Source
from composer.views.labels import value_text

FILL = """\
composer: 1
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 32, patch_size: 16, width: 64, heads: 4, layers: 1}}
  text:   {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1}}
tasks:
  ask:
    inputs:
      picture: {modality: image, with: {size: 32}, HOW}
      prompt: {modality: prompt, with: {template: "{picture} {question}", tokenizer: bert-uncased, media: {picture: 5}}}
    nodes:
      seen:   {call: vision.image, inputs: {pixels: picture.pixels}}
      words:  {call: text, inputs: {tokens: prompt.tokens}}
      mixed:  {uses: core.fill, inputs: {text: seen, media: words, places: prompt.picture}}
      vector: {uses: core.pool, inputs: {states: mixed.states}}
    outputs: {vector: vector}
"""
READ = """\
composer: 1
modules: {text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1}}}
tasks:
  read:
    inputs: {caption: {modality: string, optional: true}}
    nodes:
      asked: {modality: text, inputs: caption.text, with: {tokenizer: bert-uncased, max_tokens: 20}}
      words: {call: text, inputs: {tokens: asked.tokens}}
    outputs: {tokens: asked.tokens, states: words.states, text: caption.text}
"""
LOSS = """\
composer: 1
modules: {h: {uses: core.linear, with: {output_dim: 1}}}
tasks:
  t:
    inputs: {x: {modality: array, with: {kind: embedding, dims: [B, 8]}}}
    nodes: {s: {call: h.scores, inputs: x}, n: {uses: core.number, inputs: s}}
    outputs: {n: n}
    objective: {loss: n}
"""


@pytest.mark.parametrize("how", ["repeated: {at_most: 4}", "summary: one"])
def test_swapped_inputs_are_told_at_these_two(how: str) -> None:
    (problem,) = check(Source("a.yaml", FILL.replace("HOW", how))).errors
    assert problem.message == "`text` and `media` of `mixed` are swapped"
    assert problem.helps == ("write `text: words.states` and `media: seen.states`",)
    assert problem.place.line == FILL[: FILL.index("mixed:")].count("\n") + 1


def test_outputs_of_one_input_are_one_problem() -> None:
    (problem,) = check(Source("a.yaml", READ)).errors
    assert problem.code == "C271"
    assert "output `states`" in problem.message
    assert problem.message.endswith("and so are `tokens`, `text`")
    assert any("core.per_sample" in each for each in problem.helps)


def test_an_entry_of_a_list_is_counted_from_one() -> None:
    text = READ.replace("layers: 1}}", "layers: 1}, freeze: [embeddings, 0]}")
    assert (
        "entry 2 of `freeze` of module `text` must be text" in check(Source("a.yaml", text)).errors[0].message
    )


def test_weights_that_resemble_fresh() -> None:
    (problem,) = (
        p
        for p in check(Source("a.yaml", READ.replace("layers: 1}}", "layers: 1}, weights: frsh}"))).errors
        if p.code == "C240"
    )
    assert problem.helps == ("did you mean `fresh`?",)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Input should be a valid integer", "a whole number is expected"),
        ("Input should be greater than or equal to 1", "1 or more is expected"),
        ("Input should be less than 1", "less than 1 is expected"),
        ("Input should be 'a' or 'b'", "'a' or 'b' is expected"),
        (
            "List should have at least 1 item after validation, not 0",
            "at least 1 entry is expected, and there are 0",
        ),
        ("heads must divide hidden", "heads must divide hidden"),
    ],
)
def test_what_pydantic_says_in_plain_words(message: str, words: str) -> None:
    assert plain_words(message) == words


def test_values_show_where_they_begin_and_end() -> None:
    assert value_text(["yes ", "a, b", "no"]) == '["yes ", "a, b", no]'
    assert value_text("") == '""'
    assert value_text("a text, with a comma") == "a text, with a comma"


def test_a_type_in_a_message_names_no_owner() -> None:
    report = check(Source("a.yaml", LOSS))
    assert [problem.message for problem in report.errors] == [
        "the loss must be a scalar, and n is numbers[B]"
    ]
