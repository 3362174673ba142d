"""Special ids of decoders: what ends a text is an id that the decoder writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from composer.graph import check
from composer.language import Source
from composer.plugin import Config, Generation, ModuleType, Vocabulary, hookimpl, load_registry
from composer.types import Signature


class StoppedConfig(Config):
    """`with` of `test.stopped`."""

    tokenizer: str
    start: int = 0
    end: int = 1
    pad: int = 0
    stop: tuple[int, ...] = ()


class Stopped:
    """A decoder that stops at further ids."""

    @hookimpl
    def composer_register(self, register: Any) -> None:
        generation = Generation(
            lambda config, options: Signature({"memory": "states[B, N, 64]"}, {"text": "text[B]"}),
            lambda config: Vocabulary(
                "text",
                {"tokenizer": config.tokenizer},
                start=config.start,
                end=config.end,
                pad=config.pad,
                stop=config.stop,
            ),
        )
        register(
            ModuleType("test.stopped", StoppedConfig, {}, "nowhere:at_all", "Stops.", generation=generation)
        )


STOPPED = """\
composer: 1
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1, vocabulary: 50}}
  decoder: {uses: test.stopped, with: {tokenizer: PATH, IDS}}
tasks:
  t:
    inputs: {q: {modality: text, with: {tokenizer: words.txt}}}
    nodes:
      w: {call: text, inputs: {tokens: q.tokens}}
      r: {generate: decoder, inputs: {memory: w.states}}
    outputs: {r: r.text}
"""


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ("start: 0, end: 1, stop: [2, 49]", []),
        ("start: 0, end: 1, stop: [2, 50]", ["stop 50"]),
        ("start: 0, end: 1, stop: [-3, 99999]", ["stop -3", "stop 99999"]),
        ("start: 500, end: 501, pad: 77", ["start 500", "end 501", "pad 77"]),
        ("start: -4, end: 1", ["start -4"]),
    ],
)
def test_a_special_id_is_one_that_the_decoder_writes(tmp_path: Path, ids: str, expected: list[str]) -> None:
    """Also where the tokenizer knows no special tokens, and says nothing of them."""
    (tmp_path / "words.txt").write_text(
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n" + "".join(f"word{i}\n" for i in range(45))
    )
    vocabulary = {f"word{number}": number for number in range(50)}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "word0"}
    (tmp_path / "bare.json").write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": model}))
    path = tmp_path / "document.yaml"
    path.write_text(STOPPED.replace("PATH", str(tmp_path / "bare.json")).replace("IDS", ids))
    report = check(path, registry=load_registry([("test", Stopped())]))
    start = "test.stopped refuses its config: "
    assert [(p.code, p.place.line) for p in report.problems] == [("C206", 4)] * len(expected)
    assert [p.message for p in report.problems] == [
        f"{start}{each}, and it writes ids from 0 to 49" for each in expected
    ]


def test_a_config_that_refuses_a_size_nobody_wrote_is_asked_on() -> None:
    """What is behind a number of ids is found by trying others in fields of the config, of which some are refused."""
    sizes = "hidden_size: 36, num_attention_heads: 9, num_key_value_heads: 3, vocab_size: 30522"
    text = f"""\
composer: 1
modules:
  writer:
    uses: transformers.causal_lm
    with: {{family: llama, config: {{{sizes}, intermediate_size: 8, num_hidden_layers: 1}}, tokenizer: bert-uncased}}
tasks:
  t:
    inputs: {{q: {{modality: text, with: {{tokenizer: bert-uncased}}}}}}
    nodes:
      w: {{call: writer.embed, inputs: {{tokens: q.tokens}}}}
      r: {{generate: writer, inputs: {{prompt: w.states}}}}
    outputs: {{r: r.text}}
"""
    found = check(Source("it.yaml", text), registry=load_registry()).problems
    assert {each.code for each in found} == {
        "C206"
    }  # the special ids of the vocabulary, which `with` may name
    assert all(each.place.line == 5 for each in found)
