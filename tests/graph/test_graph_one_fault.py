"""One fault gives exactly one problem: a sound document, broken in one place at a time."""

from __future__ import annotations

import pytest
from documents import checked, codes, fixed

SOUND = """\
composer: 1
name: sound
parameters: {width: 8, size: 16}
modules:
  vision: {uses: toy.vision, with: {width: $width, size: $size, patch: 4}}
  words: {uses: toy.text, with: {width: $width}}
  shared: {uses: toy.shared, with: {width: $width}}
  fusion: {uses: toy.fuse, with: {width: $width}}
  norm: {uses: toy.open}
  decoder: {uses: toy.decoder, with: {width: $width}}
tasks:
  answer:
    summary: Answer a question about a picture.
    inputs:
      picture: {modality: image, with: {size: $size}}
      question: {modality: array, with: {kind: tokens, dims: [B, L]}}
    nodes:
      patches: {call: vision, inputs: {pixels: picture.pixels}}
      visual: {call: shared.vision, inputs: {states: patches.states}}
      read: {call: words, inputs: {tokens: question.tokens}}
      language: {call: shared.text, inputs: {states: read.states}}
      louder: {call: shared.scaled, inputs: language, with: {factor: 2.0}}
      fused: {call: fusion, inputs: {first: louder.states, second: visual.states}}
      even: {call: norm, inputs: {states: fused.states}}
      halves: {uses: toy.split, inputs: even}
      memory: {uses: core.concat, inputs: {first: visual, second: halves.left}}
      reply: {generate: decoder, inputs: {memory: memory.states}, with: {max_tokens: 3}}
    outputs:
      text: reply.text
      right: halves.right
    objective:
      inputs:
        target: {modality: array, with: {kind: labels, dims: [B, K]}}
      nodes:
        logits: {call: decoder, inputs: {memory: memory.states, labels: target.labels}}
        cost: {uses: core.token_loss, inputs: {logits: logits, labels: target}}
      loss: cost.loss
    compile:
      ranges: {batch: "1..32, best 8", question.length: 1..50}
  look:
    inputs:
      picture: {modality: image, with: {size: $size}}
    nodes:
      patches: {call: vision, inputs: picture}
      even: {call: norm, inputs: patches}
      vector: {uses: core.pool, inputs: even}
    outputs:
      vector: vector
"""


def test_the_sound_document_is_sound() -> None:
    report = checked(SOUND)
    assert report.problems == ()
    assert list(report.tasks) == ["answer", "look"]


PICTURE = "image, with: {size: $size}}\n      question"
"""The modality of the first task's picture: the text also stands in the second task, but not before a question."""
LISTED = "inputs: {first: visual, second: halves.left}"

FAULTS = {
    # heads and keys
    "version": ("composer: 1", "composer: 2", "C005"),
    "head key": ("name: sound", "nme: sound", "C101"),
    "parameters is a list": ("parameters: {width: 8, size: 16}", "parameters: [width, size]", "C102"),
    "unknown parameter": ("patch: 4", "patch: $pach", "C103"),
    "unknown parameter in an input": (PICTURE, PICTURE.replace("$size", "$s"), "C103"),
    "duplicate node": ("louder: {", "language: {", "C003"),
    # modules
    "module key": ("norm: {uses: toy.open}", "norm: {use: toy.open}", "C101"),
    "module without uses": ("norm: {uses: toy.open}", "norm: {}", "C102"),
    "module is a text": ("norm: {uses: toy.open}", "norm: toy.open", "C102"),
    "module type": ("toy.vision", "toy.vison", "C201"),
    "module type of no plugin": ("toy.vision", "other.vision", "C201"),
    "config key": ("patch: 4", "ptch: 4", "C101"),
    "config value": ("patch: 4", "patch: four", "C206"),
    "config rule": ("patch: 4", "patch: 5", "C206"),
    "module renamed": ("  fusion: {uses", "  fuser: {uses", "C204"),
    "module name": ("  fusion: {uses", "  fu sion: {uses", "C109"),
    # inputs
    "modality": (PICTURE, PICTURE.replace("image", "imge"), "C205"),
    "modality config": ("kind: tokens", "kinds: tokens", "C101"),
    "modality without config": ("{modality: array, with: {kind: tokens, dims: [B, L]}}", "{modality: array}", "C206"),
    "kind of an array": ("kind: tokens", "kind: tokes", "C220"),
    "dims of an array": ("dims: [B, L]", "dims: [B]", "C220"),
    "input key": ("modality: array, with: {kind: labels", "modalty: array, with: {kind: labels", "C101"),
    # callees
    "method": ("shared.vision", "shared.visoin", "C204"),
    "no default method": ("call: shared.text,", "call: shared,", "C204"),
    "option missing": (", with: {factor: 2.0}", "", "C206"),
    "option of another type": ("factor: 2.0", "factor: two", "C206"),
    "options where there are none": (LISTED, LISTED + ", with: {a: 1}", "C101"),
    "generate without a decoder": ("generate: decoder", "generate: fusion", "C212"),
    "generate an unknown module": ("generate: decoder", "generate: decodr", "C204"),
    "generate option": ("max_tokens: 3", "max_token: 3", "C101"),
    "search policy": ("max_tokens: 3", "search: tyo", "C221"),
    "option of the search": ("max_tokens: 3", "search: {uses: core.beam, with: {beam: 3}}", "C101"),
    "option of no search": ("max_tokens: 3", "search: {uses: toy, with: {beams: 3}}", "C101"),
    "old search": ("max_tokens: 3", "penalty: toy", "C226"),
    "weights used in place": ("halves: {uses: toy.split,", "halves: {uses: toy.open,", "C218"),
    "two verbs": ("halves: {uses: toy.split,", "halves: {call: norm, uses: toy.split,", "C102"),
    "no verb": ("halves: {uses: toy.split,", "halves: {", "C102"),
    "node key": ("halves: {uses: toy.split, inputs", "halves: {uses: toy.split, input", "C101"),
    # references
    "unknown node": ("second: visual.states", "second: visul.states", "C207"),
    "unknown port": ("second: visual.states", "second: visual.state", "C207"),
    "node taken for its module": ("states: patches.states", "states: vision.states", "C207"),
    "malformed reference": ("second: visual.states", "second: visual.states.values", "C109"),
    "several outputs": ("second: halves.left", "second: halves", "C214"),
    "several inputs": (LISTED, "inputs: visual", "C214"),
    "missing input": ("inputs: {memory: memory.states}", "inputs: {}", "C208"),
    "no inputs at all": (", inputs: {tokens: question.tokens}", "", "C208"),
    "misspelt input": ("{memory: memory.states}, with", "{memry: memory.states}, with", "C209"),
    "unexpected input": ("{memory: memory.states}, with", "{memory: memory.states, more: visual}, with", "C209"),
    "list for one": ("second: visual.states", "second: [visual.states]", "C102"),
    "inputs is a list": ("inputs: {tokens: question.tokens}", "inputs: [question.tokens]", "C102"),
    "inputs is empty": ("inputs: {tokens: question.tokens}", "inputs: null", "C102"),
    "itself": ("inputs: {states: fused.states}", "inputs: {states: even.states}", "C210"),
    "cycle": ("states: patches.states", "states: memory.states", "C210"),
    "objective from the task": ("second: visual.states", "second: target.labels", "C207"),
    # types
    "kind": ("inputs: {tokens: question.tokens}", "inputs: {tokens: patches.states}", "C202"),
    "size": (PICTURE, PICTURE.replace("$size", "32"), "C203"),
    # outputs, objective, compile
    "output of nothing": ("text: reply.text", "text: repl.text", "C213"),
    "output port": ("text: reply.text", "text: reply.txt", "C213"),
    "ambiguous output": ("text: reply.text", "text: reply", "C214"),
    "output of the objective": ("text: reply.text", "text: cost.loss", "C213"),
    "no outputs": ("    outputs:\n      vector: vector\n", "", "C110"),
    "loss of nothing": ("loss: cost.loss", "loss: cst.loss", "C219"),
    "loss of another kind": ("loss: cost.loss", "loss: logits", "C219"),
    "no loss": ("      loss: cost.loss\n", "", "C102"),
    "range": ("1..50", "50..1", "C111"),
    "range of nothing": ("question.length", "question.len", "C111"),
    "range without quotes": ('"1..32, best 8"', "1..32, best 8", "C102"),
    "precision": ("    compile:\n", "    compile:\n      precision: half\n", "C102"),
    "task key": ("    summary: Answer", "    sumary: Answer", "C101"),
    "node name": ("      louder: {", "      lou der: {", "C109"),
    "name of an input and a node": ("      louder: {", "      picture: {", "C109"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_one_problem(fault: str) -> None:
    before, after, code = FAULTS[fault]
    assert SOUND.count(before) == 1
    assert codes(SOUND.replace(before, after)) == [code]


@pytest.mark.parametrize(
    ("before", "after", "place", "other"),
    [
        ("norm: {uses: toy.open}", "norm: {uses: toy.open, with: {width: 9}}", (24, 43), (45, 34)),
        (
            "{uses: toy.decoder, with: {width: $width}}",
            "{uses: toy.decoder, with: {width: 9}}",
            (27, 51),
            (35, 50),
        ),
        ("patch: 4}", "patch: 4, frames: 2}", (18, 48), (44, 39)),
    ],
)
def test_a_width_that_fits_nowhere_is_one_problem_that_names_the_other_edges(
    before: str, after: str, place: tuple[int, int], other: tuple[int, int]
) -> None:
    (problem,) = checked(SOUND.replace(before, after)).problems
    assert problem.code == "C203"
    assert problem.message.endswith(", and so at one more place")
    assert (problem.place.line, problem.place.column) == place
    assert other in [(note.place.line, note.place.column) for note in problem.notes]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("toy.vision", "toy.vison"),
        ("patch: 4", "ptch: 4"),
        ("patch: 4", "patch: $siz"),
        ("name: sound", "nme: sound"),
        ("  fusion: {uses", "  fusio: {uses"),
        (PICTURE, PICTURE.replace("image", "imge")),
        ("kind: tokens", "kind: tokns"),
        ("shared.vision", "shared.visoin"),
        ("max_tokens: 3", "max_token: 3"),
        ("max_tokens: 3", "search: tyo"),
        ("second: visual.states", "second: visul.states"),
        ("second: visual.states", "second: visual.stats"),
        ("{memory: memory.states}, with", "{memry: memory.states}, with"),
        ("text: reply.text", "text: repl.text"),
        ("generate: decoder", "generate: decodr"),
        ("norm: {uses: toy.open}", "norm: {uses: toy.open, summry: Norm.}"),
    ],
)
def test_a_misspelling_is_fixed_by_its_own_fix(before: str, after: str) -> None:
    report = checked(SOUND.replace(before, after))
    (problem,) = report.problems
    assert any("did you mean" in text for text in problem.helps)
    assert checked(fixed(report)).problems == ()


def test_five_faults_are_found_in_one_pass() -> None:
    text = SOUND
    for name in ("config key", "method", "unknown node", "output port", "range"):
        before, after, _ = FAULTS[name]
        text = text.replace(before, after)
    assert codes(text) == ["C101", "C204", "C207", "C213", "C111"]


def test_problems_come_in_the_order_of_the_file() -> None:
    text = SOUND
    for before, after, _ in FAULTS.values():
        if text.count(before) == 1:
            text = text.replace(before, after)
    places = [(problem.place.line, problem.place.column) for problem in checked(text).problems]
    assert places == sorted(places)


def test_two_documents_with_the_same_fault_have_the_same_problems() -> None:
    text = SOUND.replace("second: visual.states", "second: visul.states")
    assert checked(text).problems == checked(text).problems
