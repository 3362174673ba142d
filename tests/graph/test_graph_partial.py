"""Tasks with faults: what is known of them is there all the same, as an editor needs it while one types."""

from __future__ import annotations

import pytest
from documents import checked

from composer.graph import Checked
from composer.problems import DocumentError

SOUND = """\
composer: 1
modules:
  wide: {uses: core.linear, with: {input_dim: 8, output_dim: 16}}
  even: {uses: core.layer_norm, with: {dim: 16}}
tasks:
  t:
    inputs:
      x: {modality: array, with: {kind: states, dims: [B, 5, 8]}}
      y: {modality: array, with: {kind: states, dims: [B, N, 16]}}
    nodes:
      a: {call: wide, inputs: x}
      b: {call: even, inputs: a}
      c: {uses: core.concat, inputs: {first: b, second: y}}
    outputs: {o: c}
"""


def test_a_sound_task_is_ok() -> None:
    task = checked(SOUND).tasks["t"]
    assert task.ok
    assert task.order == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("written", "instead", "nodes", "types"),
    [
        ("call: even", "call: evn", {"a", "c"}, {"x.states", "y.states", "a.states"}),
        ("inputs: x}", "inputs: z}", {"a", "b", "c"}, {"x.states", "y.states"}),
        ("inputs: a}", "inputs: y.logits}", {"a", "b", "c"}, {"x.states", "y.states", "a.states"}),
        ("dim: 16", "dim: 32", {"a", "b", "c"}, {"x.states", "y.states", "a.states"}),
        (
            "modality: array, with: {kind: states, dims: [B, N",
            "modality: arr, with: {kind: states, dims: [B, N",
            {"a", "b", "c"},
            {"x.states", "a.states", "b.states"},
        ),
        ("{o: c}", "{o: d}", {"a", "b", "c"}, {"x.states", "y.states", "a.states", "b.states", "c.states"}),
        (
            "    outputs: {o: c}\n",
            "",
            {"a", "b", "c"},
            {"x.states", "y.states", "a.states", "b.states", "c.states"},
        ),
        (
            "inputs: {first: b,",
            "inputs: {frst: b,",
            {"a", "b", "c"},
            {"x.states", "y.states", "a.states", "b.states"},
        ),
        ("inputs: a}", "inputs: c}", {"a"}, {"x.states", "y.states", "a.states"}),
    ],
    ids=["module", "name", "port", "width", "modality", "output", "no outputs", "input", "circle"],
)
def test_what_a_fault_does_not_touch_is_known(
    written: str, instead: str, nodes: set[str], types: set[str]
) -> None:
    assert written in SOUND
    report = checked(SOUND.replace(written, instead, 1))
    assert not report.ok
    task = report.tasks["t"]
    assert not task.ok
    assert set(task.nodes) == nodes
    assert {".".join(endpoint) for endpoint in task.types} == types
    assert set(task.order) == nodes


def test_the_types_are_those_of_the_sound_task() -> None:
    sound = checked(SOUND).tasks["t"]
    faulty = checked(SOUND.replace("{o: c}", "{o: d}")).tasks["t"]
    assert {k: str(v) for k, v in faulty.types.items()} == {k: str(v) for k, v in sound.types.items()}


def test_a_faulty_task_leaves_the_others_ok() -> None:
    second = SOUND[SOUND.index("  t:") :].replace("  t:", "  u:", 1).replace("{o: c}", "{o: d}")
    tasks = checked(SOUND + second).tasks
    assert {name: task.ok for name, task in tasks.items()} == {"t": True, "u": False}


def test_a_report_without_errors_gives_a_value_in_which_nothing_is_missing() -> None:
    found = checked(SOUND).raise_for_errors()
    assert isinstance(found, Checked)
    assert found.document.shape.tasks.keys() == found.tasks.keys() == {"t"}
    assert "core.linear" in found.registry.module_types
    assert found.raise_for_errors().tasks == found.tasks


def test_a_report_with_errors_raises_them() -> None:
    with pytest.raises(DocumentError) as raised:
        checked(SOUND.replace("{o: c}", "{o: d}")).raise_for_errors()
    assert [problem.code for problem in raised.value.problems] == ["C213"]


LINES = SOUND.splitlines()
A, B = (next(n for n, line in enumerate(LINES) if line.startswith(f"      {name}: {{call")) for name in "ab")
KNOWN = {"x.states", "y.states", "a.states"}


@pytest.mark.parametrize(
    ("line", "instead", "known"),
    [
        (B, "      b: {call: even, inputs: a", KNOWN),
        (B, "      b: {call: even, inp", KNOWN),
        (B, "      b {call: even, inputs: a}", KNOWN),
        (B, "      b: 'even", KNOWN),
        (B, "\tb: {call: even, inputs: a}", KNOWN),
        (B, "      b: [call, {", KNOWN),
        (B, "      b: {call: even, inputs: a}}", KNOWN),
        (A, "      a: {call: wide, inputs: ", {"x.states", "y.states"}),
    ],
)
def test_what_stands_around_lines_that_are_not_yaml_is_known(
    line: int, instead: str, known: set[str]
) -> None:
    """As while one types: the problem is what cannot be read, alone."""
    text = "\n".join([*LINES[:line], instead, *LINES[line + 1 :]]) + "\n"
    report = checked(text)
    assert [problem.code for problem in report.problems] == ["C002"]
    assert report.sources == {"document.yaml": text}
    task = report.tasks["t"]
    assert {".".join(endpoint) for endpoint in task.types} >= known
    assert set(report.modules) == {"wide", "even"}
    with pytest.raises(DocumentError):
        report.raise_for_errors()


def test_a_document_whose_parent_is_not_there_is_known_as_far_as_it_says_itself() -> None:
    report = checked(SOUND.replace("composer: 1\n", "composer: 1\nextends: gone.yaml\n"))
    assert [problem.code for problem in report.problems] == ["C106"]
    assert {".".join(endpoint) for endpoint in report.tasks["t"].types} >= KNOWN
    with pytest.raises(DocumentError):
        report.raise_for_errors()


@pytest.mark.parametrize("text", ["", "{", "- a\n- b\n", "composer: [1\n", "just words", "\t", "a: b: c: d"])
def test_of_what_is_no_document_nothing_is_known(text: str) -> None:
    report = checked(text)
    assert not report.ok
    assert not report.tasks
