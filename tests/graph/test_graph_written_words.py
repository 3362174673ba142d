"""Words that a document writes and a tokenizer cannot are told by the check, where the tokenizer is at hand."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from composer.graph import check
from composer.language import Source
from composer.plugin import Registry, hookimpl, load_registry
from composer.problems import Problem

REGISTRY = load_registry()
DOCUMENT = """\
composer: 1
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1, vocabulary: SIZE}}
  decoder: {uses: USES, with: {hidden: 64, heads: 4, layers: 1, vocabulary: SIZE, tokenizer: WRITES}}
tasks:
  t:
    inputs: {q: {modality: text, with: {tokenizer: WRITES}}}
    nodes:
      w: {call: text, inputs: {tokens: q.tokens}}
      r: {generate: decoder, inputs: {memory: w.states}, with: {max_tokens: 6, search: SEARCH}}
    outputs: {r: r.text}
"""
TEMPLATE = """\
    nodes:
      w: {call: text, inputs: {tokens: q.tokens}}
      r: {generate: decoder, inputs: {memory: w.states}}
      p: {modality: prompt, inputs: {question: r.text}, with: {template: "🦊 {question}", tokenizer: bert-uncased}}
      again: {call: text, inputs: {tokens: p.tokens}}
    outputs: {r: r.text, again: again.states}
"""


def written(search: str, writes: str, decoder: str) -> str:
    text = DOCUMENT.replace("SEARCH", search).replace("WRITES", writes).replace("USES", decoder)
    return text.replace("SIZE", "30522" if writes == "bert-uncased" else "300")


def problems(
    search: str,
    *,
    writes: str = "bert-uncased",
    decoder: str = "mplug2.text_decoder",
    registry: Registry = REGISTRY,
) -> list[Problem]:
    found = check(Source("it.yaml", written(search, writes, decoder)), registry=registry)
    return [each for each in found.problems if each.code != "C222"]


@pytest.mark.parametrize(
    ("search", "told"),
    [
        ("{uses: core.choices, with: {answers: [yes, 🦊]}}", "cannot spell '🦊'"),
        ("{uses: core.beam, with: {forbidden: [🦊 fox]}}", "cannot spell '🦊'"),
        ("{uses: core.sample, with: {first: 🦊}}", "cannot spell '🦊'"),
        ("{uses: core.greedy, with: {last: the end}}", "is one token, and 'the end' takes 2"),
        ("{uses: core.greedy, with: {stop: [The end]}}", "no text of its tokens holds 'The end'"),
        ('{uses: core.greedy, with: {stop: ["\\n"]}}', "no text of its tokens holds '\\n'"),
    ],
)
def test_texts_that_cannot_be_written(search: str, told: str) -> None:
    (problem,) = problems(search)
    assert (problem.code, problem.place.line, problem.severity) == ("C281", 10, "error")
    assert told in problem.message
    assert problem.helps


@pytest.mark.parametrize(
    "search",
    [
        "{uses: core.choices, with: {answers: [yes, no]}}",
        "{uses: core.greedy, with: {first: the, last: end, forbidden: [A, 7, [7, 8]]}}",
        '{uses: core.greedy, with: {stop: ["the end", ". ", "don\'t", "ing"]}}',
    ],
)
def test_texts_that_can_be_written(search: str) -> None:
    assert problems(search) == []


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ("[red, Red]", "'red' and 'Red' are one to its tokenizer"),
        ('[yes, "[SEP]"]', "'[SEP]' holds 102, a token that ends a text"),
        ("[yes, a b c d e f g h i j k l m n o p q r s t u v w x y z]", "takes 27 tokens with its end"),
    ],
)
def test_answers_that_cannot_stand_in_one_list(answers: str, told: str) -> None:
    (problem,) = problems(f"{{uses: core.choices, with: {{answers: {answers}}}}}")
    assert (problem.code, problem.place.line) == ("C280", 10)
    assert told in problem.message
    assert problem.helps


def byte_tokenizer(folder: Path) -> str:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>", "<pad>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    return json.dumps(str(folder / "tokenizer.json"))


def test_a_tokenizer_of_bytes_writes_anything(tmp_path: Path) -> None:
    writes = byte_tokenizer(tmp_path)
    assert not [
        problem
        for problem in problems(
            '{uses: core.greedy, with: {stop: ["Paris\\n", 🦊], first: É}}', writes=writes
        )
        if problem.code == "C281"
    ]


class Toys:
    """A decoder that writes by a modality of its own, which is the text modality with something changed."""

    def __init__(self, **changed: Any) -> None:
        self.changed = changed

    @hookimpl
    def composer_register(self, register: Any) -> None:
        decoder = REGISTRY.module_types["mplug2.text_decoder"]
        assert decoder.generation is not None
        vocabulary = decoder.generation.vocabulary
        own = replace(
            decoder.generation, vocabulary=lambda config: replace(vocabulary(config), modality="toy.text")
        )
        register(replace(REGISTRY.modalities["text"], id="toy.text", **self.changed))
        register(replace(decoder, id="toy.decoder", generation=own))


@pytest.mark.parametrize("changed", [{"light_processor": False}, {"processor": "no_such_package:Processor"}])
def test_a_tokenizer_that_is_not_at_hand_tells_nothing(changed: dict[str, Any]) -> None:
    """One that needs torch, and one that cannot be made; what is known without it is told all the same."""
    search = "{uses: core.greedy, with: {stop: [The end], first: 🦊, forbidden: [999999]}}"
    registry = load_registry([("toys", Toys(**changed))])
    found = problems(search, decoder="toy.decoder", registry=registry)
    assert [each.code for each in found] == ["C280"]
    sound = load_registry([("toys", Toys())])
    assert {each.code for each in problems(search, decoder="toy.decoder", registry=sound)} == {"C280", "C281"}


def test_a_template_that_a_node_fills_is_held_too() -> None:
    text = DOCUMENT[: DOCUMENT.index("    nodes:")] + TEMPLATE
    text = (
        text.replace("SIZE", "30522").replace("WRITES", "bert-uncased").replace("USES", "mplug2.text_decoder")
    )
    (problem,) = check(Source("it.yaml", text), registry=REGISTRY).problems
    assert (problem.code, problem.place.line) == ("C206", 11)
    assert "its template holds '🦊', which the vocabulary cannot write" in problem.message


def test_checking_words_needs_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    search = "{uses: core.choices, with: {answers: [yes, no]}}"
    path.write_text(written(search, "bert-uncased", "mplug2.text_decoder"))
    code = (
        "import sys; from composer.cli import main; code = main(['check', sys.argv[1]]); "
        "sys.exit(code or bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True)
