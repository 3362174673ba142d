"""Rows whose inputs are lists, may be left out, or are maps; and rows with a seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import composer
from composer.execution import Model
from composer.problems import InputError
from composer.rows import answer_rows

DOCUMENT = """\
composer: 1
name: several
modules:
  vision:  {uses: mplug2.vision_encoder, with: {image_size: 16, patch_size: 8, width: 16, heads: 2, layers: 1}}
  text:    {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, positions: 32}}
  decoder: {uses: mplug2.text_decoder, with: {hidden: 16, heads: 2, layers: 1, positions: 32}}
tasks:
  look:
    inputs:
      pictures: {modality: image, with: {size: 16}, repeated: {at_most: 3}}
      question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 12}}
    nodes:
      seen:   {call: vision.image, inputs: {pixels: pictures.pixels}}
      visual: {uses: core.per_sample, inputs: {states: seen.states, items: pictures.items}}
      words:  {call: text, inputs: {tokens: question.tokens}}
    outputs: {visual: visual, words: words}
  sizes:
    inputs: {features: {modality: array, with: {kind: embedding, dims: [B, 4]}}}
    nodes: {scaled: {uses: core.normalise, inputs: features}}
    outputs: {scaled: scaled}
  draw:
    inputs:
      said:
        modality: prompt
        with: {template: "{context} {question}", tokenizer: bert-uncased}
    nodes:
      words:  {call: text, inputs: {tokens: said.tokens}}
      answer: {generate: decoder, inputs: {memory: words}, with: {max_tokens: 5, search: core.sample}}
    outputs: {answer: answer.text}
"""


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("several") / "several.yaml"
    path.write_text(DOCUMENT)
    model = composer.load(path, weights="initial")
    generator = torch.Generator().manual_seed(3)
    for module in model.modules.values():
        for parameter in module.parameters():
            if parameter.ndim > 1:  # large enough that what is asked changes what is drawn
                parameter.data.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return model


def test_lists_of_pictures_and_none(several: Model, tiny) -> None:
    one = str(tiny.picture)
    rows: list[dict[str, Any]] = [
        {"pictures": [one, one], "question": "what"},
        {"pictures": one, "question": "what is it"},
        {"question": "what is it and who is there"},
        {"pictures": [], "question": "who"},
        {"pictures": [one] * 4, "question": "who"},
    ]
    found = list(answer_rows(several, "look", rows, batch_size=5))
    assert [each.error is None for each in found] == [True, True, True, True, False]
    assert "takes 0 to 3 values for a sample" in found[4].reason
    assert [len(each.outputs["visual"].values) for each in found[:4]] == [10, 5, 0, 0]
    for row, answer in zip(rows[:2], found, strict=False):
        alone = several.run("look", **row)
        torch.testing.assert_close(
            answer.outputs["visual"].values, alone["visual"].values, rtol=1e-3, atol=1e-3
        )
        torch.testing.assert_close(
            answer.outputs["words"].values, alone["words"].values, rtol=1e-3, atol=1e-3
        )


def test_columns_make_a_list(several: Model, tiny, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(tiny.picture.read_bytes())
    path = tmp_path / "rows.csv"
    path.write_text("left,right,question\ncat.jpg,cat.jpg,what\n,cat.jpg,what\n,,what\n../x.jpg,,what\n")
    found = list(answer_rows(several, "look", path, columns={"pictures": ["left", "right"]}))
    assert [len(each.outputs["visual"].values) for each in found[:3]] == [10, 5, 0]
    assert "lies outside of" in found[3].reason
    with pytest.raises(InputError, match="`question` takes one value of a row"):
        answer_rows(several, "look", path, columns={"question": ["left", "right"]})


def test_columns_make_a_map(several: Model, tmp_path: Path) -> None:
    rows = [
        {"said.context": "it is red", "said.question": "what"},
        {"said.context": "a cat", "said.question": "who"},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = [{"context": row["said.context"], "question": row["said.question"]} for row in rows]
    expected = [several.run("draw", seed=3, said=each)["answer"] for each in told]
    for given, options in (
        (path, {}),
        ([{"said": each} for each in told], {}),
        ([{"a": each["context"], "b": each["question"]} for each in told],
         {"columns": {"said.context": "a", "said.question": "b"}}),
    ):  # fmt: skip
        found = answer_rows(several, "draw", given, seed=3, **options)  # type: ignore[arg-type]
        assert [each.outputs["answer"] for each in found] == expected
    found = answer_rows(
        several, "draw", [{"said.question": "what"}, {"said.question": "who"}],
        constants={"said": {"context": "it is red"}}, columns={"said.question": "said.question"}, seed=3,
    )  # fmt: skip
    assert next(found).outputs["answer"] == expected[0]


def test_lists_of_numbers_are_arrays(several: Model, tmp_path: Path) -> None:
    features: list[Any] = [[0, 0, 0, 2], [0, 3, 0, 0], [1, 2], "text", [[1, 2, 3, 4]], [2, 0, 0, 0]]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"features": each}) + "\n" for each in features))
    found = list(answer_rows(several, "sizes", path))
    assert [each.error is None for each in found] == [True, True, False, False, False, True]
    right = [found[n].outputs["scaled"].tolist() for n in (0, 1, 5)]
    assert right == [[0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]]


def test_with_a_seed_a_row_draws_as_it_would_alone(several: Model) -> None:
    """Wherever it stands, in whatever batch."""
    rows = [{"said": {"context": "a " * (n % 4), "question": f"what is {n}"}} for n in range(9)]
    alone = [several.run("draw", seed=7, **row)["answer"] for row in rows]
    for size in (1, 4, 9):
        found = answer_rows(several, "draw", rows, batch_size=size, seed=7)
        assert [each.outputs["answer"] for each in found] == alone
    assert len(set(alone)) > 1
    with pytest.raises(InputError, match="takes no seed"):
        answer_rows(several, "look", [{"question": "who"}], seed=7)
