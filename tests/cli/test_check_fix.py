"""`composer check --fix` never changes what a document means: what may be another name stays as it is, with a hint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TWO_ENCODERS = """\
composer: 1
modules:
  encoder_a: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1}}
tasks:
  t:
    inputs: {q: {modality: text, with: {tokenizer: bert-uncased}}, d: {modality: text, with: {tokenizer: bert-uncased}}}
    nodes:
      w: {call: encoder_a, inputs: q}
      x: {call: NAME, inputs: d}
    outputs: {w: w, x: x}
"""


@pytest.mark.parametrize(
    "name", ["encoder_b", "encoder", "encoder_2", "encoder_a2", "decoder_a", "encoders_a", "encoder_aa"]
)
def test_a_name_that_may_be_another_module_is_a_hint(composer, document: Path, name: str) -> None:
    text = TWO_ENCODERS.replace("NAME", name)
    document.write_text(text)
    done = composer("check", document, "--fix")
    assert done.code == 1
    assert "did you mean `encoder_a`?" in done.out
    assert document.read_text() == text


@pytest.mark.parametrize(
    "name", ["encodre_a", "enocder_a", "encder_a", "Encoder_A", "encoder-a", "enncoder_a"]
)
def test_a_slip_of_the_fingers_is_mended(composer, document: Path, name: str) -> None:
    document.write_text(TWO_ENCODERS.replace("NAME", name))
    assert composer("check", document, "--fix").code == 0
    assert document.read_text() == TWO_ENCODERS.replace("NAME", "encoder_a")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("uses: core.pool", "uses: core.softmax"),
        ("uses: core.pool", "uses: core.mean"),
        ("uses: core.pool", "uses: core.max_pool"),
        ("uses: mplug2.text_encoder", "uses: mplug2.image_encoder"),
        ("uses: mplug2.text_encoder", "uses: mplug2.text_decoders"),
        ("states: words.states", "states: words.values"),
        ("states: words.states", "states: word2.states"),
        ("vector.embedding", "vector.output"),
        ("modality: text", "modality: test"),
    ],
)
def test_another_word_is_a_hint(composer, document: Path, right: str, wrong: str) -> None:
    assert right in document.read_text()
    document.write_text(document.read_text().replace(right, wrong))
    before = document.read_text()
    assert composer("check", document, "--fix").code == 1
    assert document.read_text() == before


TWO_MODULES = """\
composer: 1
modules:
  FIRST: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1}}
  SECOND: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1}}
tasks:
  t:
    inputs: {q: {modality: text, with: {tokenizer: bert-uncased}}}
    nodes: {w: {call: FIRST, inputs: q}, x: {call: SECOND, inputs: q}, y: {call: WRITTEN, inputs: q}}
    outputs: {w: w, x: x, y: y}
"""


@pytest.mark.parametrize(
    ("first", "second", "written"),
    [
        ("vision", "text", "fusion"),
        ("words", "wards", "wrds"),
        ("heads", "headers", "head"),
        ("left", "right", "lift"),
    ],
)
def test_two_near_names_or_one_far_name_are_a_hint(
    composer, document: Path, first: str, second: str, written: str
) -> None:
    text = TWO_MODULES.replace("FIRST", first).replace("SECOND", second).replace("WRITTEN", written)
    document.write_text(text)
    assert composer("check", document, "--fix").code == 1
    assert document.read_text() == text


def test_two_names_that_are_equally_near_are_both_named(composer, document: Path) -> None:
    document.write_text(
        TWO_MODULES.replace("FIRST", "words").replace("SECOND", "wards").replace("WRITTEN", "wrds")
    )
    assert "did you mean `words` or `wards`?" in composer("check", document).out


def test_a_name_after_which_kinds_do_not_fit_is_a_hint(composer, document: Path) -> None:
    """`question` gives tokens, and the node takes states."""
    document.write_text(document.read_text().replace("states: words.states", "states: quesiton"))
    before = document.read_text()
    done = composer("check", document, "--fix")
    assert done.code == 1
    assert "did you mean `question`?" in done.out
    assert "not fixed, since another problem would follow (C202" in done.err
    assert document.read_text() == before


def test_a_fault_that_set_makes_is_no_reason_to_write(composer, document: Path) -> None:
    text = """\
composer: 1
parameters: {width: 64}
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1}}
  norm: {uses: core.layer_norm, with: {dim: $width}}
tasks:
  t:
    inputs: {q: {modality: text, with: {tokenizer: bert-uncased}}}
    nodes: {w: {call: text, inputs: q}, n: {call: norm, inputs: w}}
    outputs: {n: n}
"""
    document.write_text(text)
    done = composer("check", document, "--fix", "--set", "width=48")
    assert done.code == 1
    assert document.read_text() == text
    document.write_text(text.replace("inputs: q}, n", "input: q}, n"))
    assert composer("check", document, "--fix", "--set", "width=48").code == 1
    assert document.read_text() == text


def test_a_valid_parent_is_never_written_for_its_child(composer, document: Path) -> None:
    parent = """\
composer: 1
parameters: {width: 64}
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: $width, heads: 4, layers: 1}}
  norm: {uses: core.layer_norm, with: {dim: 64}}
tasks:
  t:
    inputs: {q: {modality: text, with: {tokenizer: bert-uncased}}}
    nodes: {w: {call: text, inputs: q}, n: {call: norm, inputs: w}}
    outputs: {n: n}
"""
    document.write_text(parent)
    Path("child.yaml").write_text("composer: 1\nextends: vectors.yaml\nparameters: {width: 48}\n")
    for named in (["child.yaml"], ["child.yaml", "vectors.yaml"], ["vectors.yaml", "child.yaml"]):
        assert composer("check", *named, "--fix").code == 1
        assert document.read_text() == parent
        assert Path("child.yaml").read_text().endswith("{width: 48}\n")


def test_a_name_with_a_dot_does_not_grow(composer, document: Path) -> None:
    text = (
        document.read_text().replace("words: {call", "wor.ds: {call").replace("words.states", "wor.ds.states")
    )
    document.write_text(text.replace("text: {uses", "te.xt: {uses").replace("call: text", "call: te.xt"))
    before = document.read_text()
    composer("check", document, "--fix")
    after = document.read_text()
    composer("check", document, "--fix")
    assert document.read_text() == after
    assert len(after) <= len(before) + 2


def test_many_readers_of_one_wrong_name_are_mended_together(composer, document: Path) -> None:
    readers = "".join(f"      v{i}: {{uses: core.pool, inputs: wrods.states}}\n" for i in range(300))
    outputs = "".join(f"      v{i}: v{i}\n" for i in range(300))
    document.write_text(document.read_text().replace("    outputs:\n", readers + "    outputs:\n" + outputs))
    assert composer("check", document, "--fix").code == 0
    assert document.read_text().count("words.states") == 301


class TestShown:
    def test_the_change_is_shown_as_a_diff(self, composer, document: Path) -> None:
        document.write_text(document.read_text().replace("heads: 4", "haeds: 4"))
        done = composer("check", document, "--fix")
        assert "--- vectors.yaml\tbefore\n+++ vectors.yaml\tafter\n" in done.err
        assert (
            "\n-  text: {uses: mplug2.text_encoder, with: {hidden: $hidden, haeds: 4, layers: 2}}\n"
            in done.err
        )
        assert (
            "\n+  text: {uses: mplug2.text_encoder, with: {hidden: $hidden, heads: 4, layers: 2}}\n"
            in done.err
        )

    def test_a_dry_run_writes_nothing(self, composer, document: Path) -> None:
        document.write_text(document.read_text().replace("heads: 4", "haeds: 4"))
        before = document.read_text()
        done = composer("check", document, "--fix", "--dry-run")
        assert done.code == 1
        assert (
            "+  text: {uses: mplug2.text_encoder, with: {hidden: $hidden, heads: 4, layers: 2}}" in done.out
        )
        assert "error[C101]" in done.out
        assert "would fix 1 problem in vectors.yaml" in done.err
        assert document.read_text() == before

    def test_a_dry_run_alone_is_wrong_usage(self, composer, document: Path) -> None:
        assert composer("check", document, "--dry-run").code == 2

    def test_json_carries_the_edits(self, composer, document: Path) -> None:
        right = document.read_text()
        document.write_text(right.replace("heads: 4", "haeds: 4"))
        before = document.read_text()
        dry = json.loads(composer("check", document, "--fix", "--dry-run", "--format", "json").out)
        done = json.loads(composer("check", document, "--fix", "--format", "json").out)
        for problems in (dry, done):
            ((edit,),) = [problem["fix"] for problem in problems]
            assert before[: edit["start"]] + edit["text"] + before[edit["end"] :] == right
        assert "fixed" not in dry[0]
        assert done[0]["fixed"] is True

    def test_control_characters_of_a_document_do_not_reach_the_terminal(
        self, composer, document: Path
    ) -> None:
        text = document.read_text().replace("heads: 4", "haeds: 4")
        document.write_text(text.replace("layers: 2}}", "layers: 2}}  # \u202e red"))
        done = composer("check", document, "--fix")
        assert "\u202e" not in done.err
        assert "# \ufffd red" in done.err
