"""What Haystack's own check says of the mistakes in tests/bad that can be made there: recorded, not remembered.

    pip install haystack-ai
    python docs/checker_haystack.py

writes docs/checker_haystack.json, which docs/make_checker_table.py puts beside what `composer check` says. The parts
below have the ports of the modules that the documents use, so that each mistake is the same one. A pipeline is checked
by loading it (`Pipeline.loads`), which connects it, and then by asking for its answer with stand-in values, which
validates the inputs; nothing in it computes anything.
"""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

from haystack import Pipeline, component
from haystack.version import __version__

HERE = Path(__file__).parent


class Pixels:
    """Normalised pictures."""


class Tokens:
    """Token ids."""


class States:
    """Hidden states."""


class Embedding:
    """One vector."""


class Logits:
    """Scores of the vocabulary."""


@component
class VisionEncoder:
    """Pixels to states."""

    def __init__(self, image_size: int, patch_size: int, width: int, layers: int) -> None:
        if image_size % patch_size:
            raise ValueError(f"image_size {image_size} is not a multiple of patch_size {patch_size}")
        self.width = width

    @component.output_types(states=States)
    def run(self, pixels: Pixels) -> dict[str, Any]:
        return {"states": States()}


@component
class TextEncoder:
    """Tokens to states."""

    def __init__(self, hidden: int, heads: int, layers: int) -> None:
        if hidden % heads:
            raise ValueError(f"hidden {hidden} is not a multiple of heads {heads}")

    @component.output_types(states=States)
    def run(self, tokens: Tokens) -> dict[str, Any]:
        return {"states": States()}


@component
class Fusion:
    """Text that attends to vision."""

    def __init__(self, hidden: int, heads: int, layers: int) -> None:
        self.hidden = hidden

    @component.output_types(text=States, vision=States)
    def run(self, text: States, vision: States) -> dict[str, Any]:
        return {"text": States(), "vision": States()}


@component
class Decoder:
    """States and tokens to logits."""

    def __init__(self, hidden: int, heads: int, layers: int) -> None:
        self.hidden = hidden

    @component.output_types(logits=Logits, text=str)
    def run(self, memory: States) -> dict[str, Any]:
        return {"logits": Logits(), "text": ""}


@component
class Pool:
    """States to one vector."""

    @component.output_types(embedding=Embedding)
    def run(self, states: States) -> dict[str, Any]:
        return {"embedding": Embedding()}


@component
class Add:
    """Sum of states."""

    @component.output_types(states=States)
    def run(self, first: States, second: States) -> dict[str, Any]:
        return {"states": States()}


EMBED = """\
components:
  text: {type: checker_haystack.TextEncoder, init_parameters: {hidden: 64, heads: 4, layers: 2}}
  vector: {type: checker_haystack.Pool, init_parameters: {}}
connections:
- {sender: text.states, receiver: vector.states}
"""
QA = """\
components:
  vision: {type: checker_haystack.VisionEncoder, init_parameters: {image_size: 32, patch_size: 8, width: 64, layers: 2}}
  text: {type: checker_haystack.TextEncoder, init_parameters: {hidden: 64, heads: 4, layers: 2}}
  fused: {type: checker_haystack.Fusion, init_parameters: {hidden: 64, heads: 4, layers: 2}}
  answer: {type: checker_haystack.Decoder, init_parameters: {hidden: 64, heads: 4, layers: 2}}
connections:
- {sender: vision.states, receiver: fused.vision}
- {sender: text.states, receiver: fused.text}
- {sender: fused.text, receiver: answer.memory}
"""
EMBED_INPUT = {"text": {"tokens": Tokens()}}
QA_INPUT = {"text": {"tokens": Tokens()}, "vision": {"pixels": Pixels()}}

Change = tuple[str, str]
CASES: dict[str, tuple[str, dict[str, Any], tuple[Change, ...]]] = {
    "width-of-encoder-and-cross-attention": (QA, QA_INPUT, (("width: 64", "width: 128"),)),
    "width-of-decoder": (
        QA,
        QA_INPUT,
        (("Decoder, init_parameters: {hidden: 64", "Decoder, init_parameters: {hidden: 128"),),
    ),
    "heads-do-not-divide-the-width": (EMBED, EMBED_INPUT, (("heads: 4", "heads: 7"),)),
    "image-size-and-patch": (QA, QA_INPUT, (("patch_size: 8", "patch_size: 7"),)),
    "logits-into-states": (
        QA,
        QA_INPUT,
        (
            ("  answer:", "  again: {type: checker_haystack.Pool, init_parameters: {}}\n  answer:"),
            (
                "receiver: answer.memory}",
                "receiver: answer.memory}\n- {sender: answer.logits, receiver: again.states}",
            ),
        ),
    ),
    "embedding-into-decoder": (
        QA,
        QA_INPUT,
        (
            ("  answer:", "  memory: {type: checker_haystack.Pool, init_parameters: {}}\n  answer:"),
            (
                "- {sender: fused.text, receiver: answer.memory}",
                "- {sender: fused.text, receiver: memory.states}\n"
                "- {sender: memory.embedding, receiver: answer.memory}",
            ),
        ),
    ),
    "module-renamed-in-one-place": (
        QA,
        QA_INPUT,
        (("  fused: {", "  joined: {"), ("receiver: fused.vision", "receiver: joined.vision")),
    ),
    "node-renamed-in-one-place": (EMBED, EMBED_INPUT, (("  text: {", "  language: {"),)),
    "quote-never-closed": (
        EMBED,
        EMBED_INPUT,
        (("checker_haystack.TextEncoder", '"checker_haystack.TextEncoder'),),
    ),
    "comma-missing": (EMBED, EMBED_INPUT, (("heads: 4, layers", "heads: 4 layers"),)),
    "one-brace-too-many": (EMBED, EMBED_INPUT, (("layers: 2}}", "layers: 2}}}"),)),
    "two-typos-in-one-line": (EMBED, EMBED_INPUT, (("TextEncoder", "TextEncodr"), ("hidden", "hiden"))),
    "config-without-with": (
        EMBED,
        EMBED_INPUT,
        (("init_parameters: {hidden: 64, heads: 4, layers: 2}", "hidden: 64, heads: 4, layers: 2"),),
    ),
    "reference-with-a-slash": (EMBED, EMBED_INPUT, (("sender: text.states", "sender: text/states"),)),
    "typo-in-module-type": (EMBED, EMBED_INPUT, (("haystack.TextEncoder", "haystack.TextEncoders"),)),
    "typo-in-config-key": (EMBED, EMBED_INPUT, (("layers: 2", "layer: 2"),)),
    "typo-in-input-port": (EMBED, EMBED_INPUT, (("receiver: vector.states", "receiver: vector.state"),)),
    "typo-in-output-port": (EMBED, EMBED_INPUT, (("sender: text.states", "sender: text.state"),)),
    "typo-in-node": (EMBED, EMBED_INPUT, (("sender: text.states", "sender: texts.states"),)),
    "typo-in-section": (EMBED, EMBED_INPUT, (("connections:", "connection:"),)),
    "missing-input": (QA, QA_INPUT, (("- {sender: vision.states, receiver: fused.vision}\n", ""),)),
    "unexpected-input": (
        EMBED,
        EMBED_INPUT,
        (
            (
                "- {sender: text.states, receiver: vector.states}",
                "- {sender: text.states, receiver: vector.states}\n- {sender: text.states, receiver: vector.mask}",
            ),
        ),
    ),
    "reference-without-port-name": (
        QA,
        QA_INPUT,
        (("sender: fused.text, receiver: answer.memory", "sender: fused, receiver: answer"),),
    ),
    "cycle-with-itself": (
        EMBED,
        EMBED_INPUT,
        (
            ("  vector:", "  twice: {type: checker_haystack.Add, init_parameters: {}}\n  vector:"),
            (
                "- {sender: text.states, receiver: vector.states}",
                "- {sender: text.states, receiver: twice.first}\n- {sender: twice.states, receiver: twice.second}\n"
                "- {sender: twice.states, receiver: vector.states}",
            ),
        ),
    ),
    "cycle-of-two": (
        EMBED,
        EMBED_INPUT,
        (
            (
                "  vector:",
                "  one: {type: checker_haystack.Add, init_parameters: {}}\n"
                "  two: {type: checker_haystack.Add, init_parameters: {}}\n  vector:",
            ),
            (
                "- {sender: text.states, receiver: vector.states}",
                "- {sender: text.states, receiver: one.first}\n- {sender: two.states, receiver: one.second}\n"
                "- {sender: text.states, receiver: two.first}\n- {sender: one.states, receiver: two.second}\n"
                "- {sender: two.states, receiver: vector.states}",
            ),
        ),
    ),
    "node-that-nothing-needs": (
        EMBED,
        EMBED_INPUT,
        (
            ("  vector:", "  first: {type: checker_haystack.Pool, init_parameters: {}}\n  vector:"),
            ("connections:", "connections:\n- {sender: text.states, receiver: first.states}"),
        ),
    ),
    "text-for-a-number": (EMBED, EMBED_INPUT, (("layers: 2", 'layers: "2"'),)),
    "fraction-for-a-whole-number": (EMBED, EMBED_INPUT, (("layers: 2", "layers: 2.5"),)),
    "negative-number": (EMBED, EMBED_INPUT, (("layers: 2", "layers: -2"),)),
    "required-option-missing": (EMBED, EMBED_INPUT, ((", layers: 2", ""),)),
    "node-written-twice": (
        EMBED,
        EMBED_INPUT,
        (("connections:", "  vector: {type: checker_haystack.Pool, init_parameters: {}}\nconnections:"),),
    ),
    "option-written-twice": (EMBED, EMBED_INPUT, (("layers: 2", "layers: 2, hidden: 64"),)),
    "list-of-nodes": (
        EMBED,
        EMBED_INPUT,
        (("  text: {type", "- {name: text, type"), ("  vector: {type", "- {name: vector, type")),
    ),
    "bracket-never-closed": (EMBED, EMBED_INPUT, (("layers: 2}}", "layers: 2}"),)),
    "tab-in-the-indent": (EMBED, EMBED_INPUT, (("  vector:", "\tvector:"),)),
    "colon-in-a-sentence": (
        EMBED,
        EMBED_INPUT,
        (("components:", "metadata:\n  summary: Note: for search only\ncomponents:"),),
    ),
    "python-tag": (EMBED, EMBED_INPUT, (("hidden: 64", "hidden: !!python/object/apply:os.getcwd []"),)),
    "type-instead-of-uses": (
        EMBED,
        EMBED_INPUT,
        (("type: checker_haystack.TextEncoder", "uses: checker_haystack.TextEncoder"),),
    ),
}
"""Document of tests/bad to the same mistake here: what is changed in a pipeline that is right."""

FIVE_FAULTS: tuple[Change, ...] = (
    ("haystack.VisionEncoder", "haystack.VisionEncoders"),
    (
        "TextEncoder, init_parameters: {hidden: 64, heads: 4",
        "TextEncoder, init_parameters: {hidden: 64, head: 4",
    ),
    ("receiver: fused.vision", "receiver: fused.visions"),
    ("sender: text.states", "sender: texts.states"),
    ("sender: fused.text", "sender: fused.txt"),
)


def said(text: str, inputs: dict[str, Any]) -> tuple[str, str]:
    """When a mistake is noticed (`load`, `run`, or `never`), and what is said."""
    try:
        pipeline = Pipeline.loads(text, allowed_modules=["checker_haystack"])
    except Exception as error:  # whatever it raises is what its user sees
        return "load", message_of(error)
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    try:
        pipeline.run(inputs)
    except Exception as error:  # as above
        return "run", message_of(error)
    finally:
        logging.getLogger().removeHandler(handler)
    return ("run", "logged: " + joined(log.getvalue())) if log.getvalue() else ("never", "")


def message_of(error: Exception) -> str:
    return f"{type(error).__name__}: {joined(str(error))}"


def joined(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def runs_for_five_faults() -> int:
    """How often a pipeline with five faults is loaded until it is clean, one fault being mended after each message."""
    remaining = list(FIVE_FAULTS)
    runs = 0
    while remaining:
        text = QA
        for right, wrong in remaining:
            text = text.replace(right, wrong)
        when, message = said(text, QA_INPUT)
        assert when != "never", remaining
        runs += 1
        told = next((c for c in remaining if c[1].split(".")[-1].split(" ")[-1] in message), remaining[0])
        remaining.remove(told)
    return runs


def main() -> None:
    assert said(EMBED, EMBED_INPUT) == ("never", "")
    assert said(QA, QA_INPUT) == ("never", "")
    found = {}
    for name, (base, inputs, changes) in CASES.items():
        text = base
        for right, wrong in changes:
            assert right in text, (name, right)
            text = text.replace(right, wrong)
        when, message = said(text, inputs)
        found[name] = {"when": when, "message": message}
    result = {"version": __version__, "runs_for_five_faults": runs_for_five_faults(), "mistakes": found}
    (HERE / "checker_haystack.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    from checker_haystack import main as recorded  # the parts' module has to be the one that pipelines name

    recorded()
