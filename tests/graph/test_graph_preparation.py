"""Inputs that are prepared as a module was made for: taken over with `for`, told where they differ, mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.cli import main
from composer.graph import Report, check
from composer.language import Source
from composer.plugin import Config, Method, ModuleType, Register, hookimpl, load_registry
from composer.types import Signature


class EyeConfig(Config):
    """`with` of the module type of these tests."""

    size: int = 8


class Eyes:
    """A plugin with a module that was made for pictures of one size and one mean."""

    @staticmethod
    @hookimpl
    def composer_register(register: Register) -> None:
        """Register it."""
        signature = lambda config: Signature(  # noqa: E731
            {"pixels": f"pixels[B, 3, 1, {config.size}, {config.size}]"}, {"embedding": "embedding[B, 4]"}
        )
        register(
            ModuleType(
                "test.eye",
                EyeConfig,
                {"forward": Method(signature)},
                "json:dumps",
                "",
                made_for=lambda config: {"image": {"size": config.size, "mean": (0.5, 0.5, 0.5)}},
            )
        )


REGISTRY = load_registry([("eyes", Eyes)])
DOCUMENT = """\
composer: 1
modules:
  eye: {uses: test.eye}
  ear: {uses: test.eye, with: {size: 9}}
  head: {uses: core.linear, with: {output_dim: 2}}
tasks:
  see:
    inputs:
      photo: INPUT
    nodes:
      seen: {call: eye, inputs: photo}
      scored: {call: head.scores, inputs: seen}
    outputs: {scores: scored}
  other:
    inputs: {photo: {modality: image, for: ear}}
    nodes: {seen: {call: ear, inputs: photo}}
    outputs: {seen: seen}
"""


def checked(written: str) -> Report:
    return check(Source("document.yaml", DOCUMENT.replace("INPUT", written)), registry=REGISTRY)


@pytest.mark.parametrize(
    ("written", "codes"),
    [
        ("{modality: image, for: eye}", []),
        ("{modality: image, for: eye, with: {mean: [0.4, 0.4, 0.4]}}", []),
        ("{modality: image, with: {size: 8, mean: [0.5, 0.5, 0.5]}}", []),
        ("{modality: image, with: {size: 8}}", ["C295"]),
        ("{modality: image, with: {size: 8, mean: [0.4, 0.4, 0.4]}}", ["C295"]),
        ("{modality: image, for: ear, with: {size: 8}}", []),
        ("{modality: image, for: ear}", ["C203"]),
        ("{modality: image, for: head}", ["C296"]),
        ("{modality: video, for: eye, with: {frames: 1}}", ["C296"]),
        ("{modality: image, for: eey}", ["C204"]),
        ("{modality: image}", ["C206"]),
    ],
)
def test_what_an_input_takes_over(written: str, codes: list[str]) -> None:
    assert [problem.code for problem in checked(written).problems] == codes


def test_what_is_taken_over_is_the_config_of_the_input() -> None:
    item = checked("{modality: image, for: eye, with: {std: [1, 1, 1]}}").tasks["see"].inputs["photo"]
    assert (
        item.config.model_dump() | {"size": 8, "mean": (0.5, 0.5, 0.5), "std": (1, 1, 1)}
        == item.config.model_dump()
    )


def test_a_written_value_is_told_with_both_and_not_mended() -> None:
    (problem,) = checked("{modality: image, with: {size: 8, mean: [0.4, 0.4, 0.4]}}").problems
    assert "mean is [0.4, 0.4, 0.4], not [0.5, 0.5, 0.5]" in problem.message
    assert problem.severity == "warning"
    assert not problem.fix


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{modality: image, with: {size: 8}}", "{for: eye, modality: image, with: {size: 8}}"),
        (
            "\n        modality: image\n        with: {size: 8}",
            "\n        for: eye\n        modality: image\n        with: {size: 8}",
        ),
    ],
)
def test_what_was_not_written_is_mended(before: str, after: str) -> None:
    (problem,) = checked(before).problems
    text = DOCUMENT.replace("INPUT", before)
    (edit,) = problem.fix
    mended = text[: edit.start] + edit.text + text[edit.end :]
    assert mended == DOCUMENT.replace("INPUT", after)
    assert not check(Source("document.yaml", mended), registry=REGISTRY).problems


def test_fix_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "document.yaml"
    path.write_text(
        "composer: 1\nmodules: {eye: {uses: timm.backbone, with: {model: resnet18, features: pooled}}}\n"
        "tasks:\n  see:\n"
        "    inputs: {photo: {modality: image, with: {size: 224}}}\n"
        "    nodes: {seen: {call: eye, inputs: photo}}\n    outputs: {seen: seen}\n"
    )
    assert main(["check", "--fix", str(path)]) == 0
    assert "{for: eye, modality: image, with: {size: 224}}" in path.read_text()


def test_what_only_a_module_knows_is_mended_where_one_module_knows_it() -> None:
    (problem,) = checked("{modality: image}").problems
    assert problem.helps == ("write `for: eye`: `eye` knows it", "write `for: ear`: `ear` knows it")
    assert not problem.fix
    alone = DOCUMENT.replace("INPUT", "{modality: image}").partition("  other:")[0]
    text = alone.replace("  ear: {uses: test.eye, with: {size: 9}}\n", "")
    (problem,) = check(Source("document.yaml", text), registry=REGISTRY).problems
    (edit,) = problem.fix
    mended = text[: edit.start] + edit.text + text[edit.end :]
    assert not check(Source("document.yaml", mended), registry=REGISTRY).problems


def test_a_size_that_was_taken_over_is_told_as_such() -> None:
    (problem,) = checked("{modality: image, for: ear}").problems
    labels = [note.label for note in problem.notes]
    assert "input photo: size is 9, as `ear` was made for" in labels


def test_a_table_shows_whom_an_input_is_prepared_for() -> None:
    assert checked("{modality: image, for: eye}").tasks["see"].inputs["photo"].reads == "image, for eye"


CHAIN = """\
composer: 1
modules:
  first:
    uses: transformers.causal_lm
    with: {family: llama, config: SIZES, tokenizer: bert-uncased, start: 101, end: 102, pad: 0}
  second:
    uses: transformers.seq2seq
    with: {family: bart, config: BART, tokenizer: TOKENIZER, start: 2, end: 3, pad: 0}
tasks:
  say-again:
    inputs: {text: {modality: prompt, for: first, with: {template: "{text}", frame: none, max_tokens: 24}}}
    nodes:
      words: {call: first.embed, inputs: {tokens: text.tokens}}
      said:  {generate: first, inputs: {prompt: words}, with: {max_tokens: 6}}
      read:  READ
      seen:  {call: second, inputs: {tokens: read.tokens}}
      again: {generate: second, inputs: {memory: seen}, with: {max_tokens: 6}}
    outputs: {text: again.text}
"""
SIZES = (
    "{vocab_size: 30522, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8}"
)
BART = "{vocab_size: 13, d_model: 8, encoder_layers: 1, decoder_layers: 1, encoder_attention_heads: 2, " + (
    "decoder_attention_heads: 2, encoder_ffn_dim: 8, decoder_ffn_dim: 8, max_position_embeddings: 32}"
)


def chain(tmp_path: Path, read: str) -> Path:
    (tmp_path / "words.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"])
    )
    text = CHAIN.replace("SIZES", SIZES).replace("BART", BART).replace("TOKENIZER", "words.txt")
    (tmp_path / "chain.yaml").write_text(text.replace("READ", read))
    return tmp_path / "chain.yaml"


def test_a_node_that_reads_what_another_wrote_takes_over_what_a_module_was_made_for(tmp_path: Path) -> None:
    read = "{modality: text, for: second, inputs: said.text, with: {max_tokens: 16}}"
    report = check(chain(tmp_path, read))
    assert [str(problem) for problem in report.problems] == []
    config = report.tasks["say-again"].nodes["read"].module.config
    assert str(config.tokenizer).endswith("words.txt")  # type: ignore[attr-defined]


def test_a_node_that_reads_in_another_way_is_told_and_mended(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"hgfedcba"])
    )
    path = chain(
        tmp_path, "{modality: text, inputs: said.text, with: {tokenizer: other.txt, max_tokens: 16}}"
    )
    problem, other = check(path).problems
    assert (problem.code, other.code) == ("C295", "C222")
    assert problem.message.startswith("node `read` is not prepared as `second` was made for: tokenizer is")
    lacking = chain(tmp_path, "{modality: text, inputs: said.text, with: {max_tokens: 16}}")
    (problem,) = check(lacking).errors
    assert (problem.code, problem.message) == ("C206", "modality text needs `tokenizer`")
    assert any("for: second" in text for text in problem.helps)


def test_for_goes_with_a_modality(tmp_path: Path) -> None:
    path = chain(tmp_path, "{modality: text, for: second, inputs: said.text}")
    path.write_text(path.read_text().replace("{call: second, inputs", "{call: second, for: second, inputs"))
    (problem,) = check(path).errors
    assert (problem.code, problem.message) == (
        "C296",
        "node `seen` is not read as a modality, and `for` says whom that is prepared for",
    )
