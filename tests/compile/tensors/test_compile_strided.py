"""Lengths that are quotients of what comes: their forms and ranges in an artifact, and the same answers as live."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from composer_compile.errors import CompileError
from strided import BRANCHING, UNDECLARED, WRONG, strided_registry

import composer
from composer.types import States
from composer.weights import save_weights

DOCUMENT = """\
composer: 1
name: strided
modules: {m: {uses: strided.TYPE, with: {hop: HOP}}}
tasks:
  move:
    inputs: {signal: {modality: array, with: {kind: states, dims: [B, DIM, 4]}}}
    nodes: {moved: {call: m, inputs: {states: signal.states}}}
    outputs: {moved: moved.states}
    compile: {ranges: {batch: "1..3, best 2"}}
"""
SHARED = """\
composer: 1
name: shared
modules:
  m: {uses: strided.framed, with: {hop: 4}}
  other: {uses: strided.TYPE, with: {hop: 2}}
tasks:
  first:
    inputs: {signal: {modality: array, with: {kind: states, dims: [B, S, 4]}}}
    nodes: {moved: {call: m, inputs: {states: signal.states}}}
    outputs: {moved: moved.states}
  second:
    inputs: {signal: {modality: array, with: {kind: states, dims: [B, S, 4]}}}
    nodes:
      moved: {call: m, inputs: {states: signal.states}}
      again: {call: other, inputs: {states: moved.states}}
    outputs: {again: again.states}
"""


def both(path: Path, text: str, ranges: dict[str, str], *more: Any) -> tuple[Any, Any, Any]:
    """The live model, the manifest and the artifact of a document with the same weights."""
    registry = strided_registry(*more)
    path.mkdir(exist_ok=True)
    document, weights = path / "it.yaml", path / "it.safetensors"
    document.write_text(text)
    live = composer.load(document, weights="initial", registry=registry)
    save_weights(live.modules, weights)
    options = composer_compile.Options(ranges=ranges)
    manifest = composer_compile.compile_document(
        document, path / "out", weights=weights, options=options, registry=registry
    )
    return live, manifest, composer_compile.load(path / "out", registry=registry)


def signal(length: int, width: int = 4) -> States:
    return States(np.random.default_rng(length).random((length, width), np.float32))


def hold_equal(live: Any, artifact: Any, task: str, lengths: list[int], count: Any) -> None:
    for length in lengths:
        for batch in (1, 3):
            given = [signal(length)] * batch
            (ours,), (theirs,) = (
                artifact.run(task, signal=given).values(),
                live.run(task, signal=given).values(),
            )
            assert ours.values.shape == (batch, count(length), 4)
            torch.testing.assert_close(torch.as_tensor(ours.values), torch.as_tensor(theirs.values))


@pytest.mark.parametrize(
    ("type_", "hop", "span", "form", "count"),
    [
        ("framed", 4, "1..23", "signal.length // 4 + 1", lambda size: size // 4 + 1),
        ("framed", 160, "100..700", "signal.length // 160 + 1", lambda size: size // 160 + 1),
        ("framed", 4, "5..7", "signal.length // 4 + 1", lambda size: size // 4 + 1),
        ("convolved", 3, "3..14", "signal.length // 3", lambda size: size // 3),
        ("convolved", 4, "6..11", "signal.length // 4", lambda size: size // 4),
        ("filled", 4, "5..40", "(signal.length + 3) // 4", lambda size: -(-size // 4)),
    ],
)
def test_a_strided_length_is_described_and_answered(
    tmp_path: Path, type_: str, hop: int, span: str, form: str, count: Any
) -> None:
    text = DOCUMENT.replace("TYPE", type_).replace("HOP", str(hop)).replace("DIM", "S")
    live, manifest, artifact = both(tmp_path, text, {"signal.length": span})
    low, high = map(int, span.split(".."))
    with artifact:
        task = manifest.tasks["move"]
        assert (task.ranges["signal.length"].low, task.ranges["signal.length"].high) == (low, high)
        (stage,) = task.order
        assert stage.outputs[0].dims == ["batch", form, 4]
        step = next(size for size in range(low + 1, high + 1) if size % hop == 0 or size == high)
        hold_equal(live, artifact, "move", sorted({low, step - 1, step, high - 1, high} - {low - 1}), count)
        with pytest.raises(composer.problems.InputError, match=rf"`signal\.length` is {high + 1}"):
            artifact.run("move", signal=signal(high + 1))


@pytest.mark.parametrize(
    ("type_", "span", "again", "count"),
    [
        ("framed", "1..23", "(signal.length // 4 + 1) // 2 + 1", lambda size: (size // 4 + 1) // 2 + 1),
        ("framed", "4..5", "", lambda size: (size // 4 + 1) // 2 + 1),
        ("framed", "2..6", "", lambda size: (size // 4 + 1) // 2 + 1),
        ("convolved", "4..23", "", lambda size: (size // 4 + 1) // 2),
    ],
)
def test_a_program_takes_what_another_strided(
    tmp_path: Path, type_: str, span: str, again: str, count: Any
) -> None:
    live, manifest, artifact = both(
        tmp_path, SHARED.replace("TYPE", type_), {"batch": "1..3", "signal.length": span}
    )
    low, high = map(int, span.split(".."))
    with artifact:
        first, second = manifest.tasks["second"].order
        assert second.inputs[0].dims == first.outputs[0].dims == ["batch", "signal.length // 4 + 1", 4]
        hold_equal(live, artifact, "first", list(range(low, high + 1)), lambda size: size // 4 + 1)
        hold_equal(live, artifact, "second", list(range(low, high + 1)), count)


def test_a_wrong_quotient_is_refused(tmp_path: Path) -> None:
    text = DOCUMENT.replace("TYPE", "rounded").replace("HOP", "4").replace("DIM", "S")
    with pytest.raises(
        CompileError, match=r"dimension 1 of moved\.states\.values is .* declared size .* // 4 \+ 1 is"
    ):
        both(tmp_path, text, {"signal.length": "4..23"}, WRONG)


def test_a_quotient_that_nobody_declares_is_refused(tmp_path: Path) -> None:
    """It looked like a constant, because the first few lengths give one."""
    text = DOCUMENT.replace("TYPE", "undeclared").replace("HOP", "16").replace("DIM", "S")
    with pytest.raises(CompileError, match=r"neither a sum over the free dimensions .*: declare it, such as"):
        both(tmp_path, text, {"signal.length": "4..64"}, UNDECLARED)


def test_a_length_that_is_filled_up_may_have_any_size(tmp_path: Path) -> None:
    """torch proves nothing of `length + -length % 4`: what it asks of sizes is tried at every one."""
    text = DOCUMENT.replace("TYPE", "filled").replace("HOP", "4").replace("DIM", "S")
    live, _, artifact = both(tmp_path, text, {"signal.length": "1..40"})
    with artifact:
        hold_equal(live, artifact, "move", [1, 2, 3, 4, 5, 8, 9, 39, 40], lambda size: -(-size // 4))


def test_a_length_at_which_a_type_does_something_else_is_named(tmp_path: Path) -> None:
    text = DOCUMENT.replace("TYPE", "branching").replace("HOP", "4").replace("DIM", "S")
    with pytest.raises(CompileError, match=r"not every size .*signal\.length <= 24\)"):
        both(tmp_path, text, {"signal.length": "5..40"}, BRANCHING)


def test_a_symbol_inside_of_a_sum_goes_by_its_own_name(tmp_path: Path) -> None:
    text = DOCUMENT.replace("TYPE", "framed").replace("HOP", "4").replace("DIM", "2*N")
    live, manifest, artifact = both(tmp_path, text, {"signal.N": "1..6"})
    with artifact:
        assert manifest.tasks["move"].order[0].outputs[0].dims == ["batch", "signal.N // 2 + 1", 4]
        hold_equal(live, artifact, "move", [2, 4, 6, 8, 12], lambda size: size // 4 + 1)
    with pytest.raises(
        CompileError,
        match=r"task `move` has no free dimension `signal\.length`.* There are: batch, signal\.N",
    ):
        both(tmp_path / "no", text, {"signal.length": "1..6"})


def test_a_length_that_only_shows_rounded_down_is_refused(tmp_path: Path) -> None:
    text = DOCUMENT.replace("TYPE", "framed").replace("HOP", "4").replace("DIM", "S // 3")
    with pytest.raises(
        CompileError, match=r"input `signal` has the size `S // 3`, and no input has the size `S`"
    ):
        both(tmp_path, text, {})


HEARD = """\
composer: 1
name: heard
modules:
  m: {uses: strided.framed, with: {hop: 4, width: 8}}
  decoder:
    uses: mplug2.text_decoder
    with:
      {hidden: 8, heads: 2, layers: 1, vocabulary: 15, positions: 16, tokenizer: words.txt, start: 2, end: 3, pad: 0}
tasks:
  write:
    inputs: {signal: {modality: array, with: {kind: states, dims: [B, S, 8]}}}
    nodes:
      heard: {call: m, inputs: {states: signal.states}}
      text: {generate: decoder, inputs: {memory: heard.states},
        with: {max_tokens: 4, search: {uses: mplug2.beam, with: {beams: 2}}}}
    outputs: {text: text.text, score: text.score}
    compile: {ranges: {batch: "2..3"}}
"""


@pytest.mark.parametrize(("span", "programs"), [("4..23", 1), ("2..6", 2)])
def test_a_decoder_remembers_a_strided_length(tmp_path: Path, span: str, programs: int) -> None:
    """No type speaks of its cache. Where the length is 1 or 2 there, each has a program, which the search must pick."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij"]
    (tmp_path / "words.txt").write_text("\n".join(words) + "\n")
    live, manifest, artifact = both(tmp_path, HEARD, {"signal.length": span})
    low, high = map(int, span.split(".."))
    with artifact:
        decode = manifest.tasks["write"].order[1].decode
        assert "signal.length // 4 + 1" in {dim for tensor in decode.inputs for dim in tensor.dims}
        assert len(decode.programs) == programs
        for length in sorted({low, 3, 4, high} & set(range(low, high + 1))):
            given = [signal(length, 8), signal(length, 8)]
            ours, theirs = artifact.run("write", signal=given), live.run("write", signal=given)
            assert ours["text"] == theirs["text"]
            torch.testing.assert_close(torch.as_tensor(ours["score"]), torch.as_tensor(theirs["score"]))
