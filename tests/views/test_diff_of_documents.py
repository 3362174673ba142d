"""`composer diff`: parts are paired by what they are and what stands around them; names alone are no difference."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from views_demo import DOCUMENT

from composer.graph import Checked, check
from composer.views.diff import DocumentDiff, diff_documents, diff_text
from composer.views.diff.diff_picture import diff_svg, draw_diff
from composer.views.diff.diff_values import counted
from composer.views.diff.matching import MOST_PAIRS, paired

Check = Callable[..., Checked]

RENAMED = {
    "vision": "eyes", "text": "reader", "universal": "both", "fusion": "joiner", "decoder": "writer", "scale": "norm",
    "frames": "seen", "visual": "looked", "words": "read", "language": "understood", "fused": "together",
    "memory": "all", "answer": "said", "scaled": "evened", "vector": "point", "video": "clip", "question": "asked",
}  # fmt: skip
"""Every name of a module, a node or an input of the document."""


def renamed() -> str:
    """The document with everything that has a name under another one, ports and parameters apart."""
    head, modules, text = DOCUMENT.partition("modules:\n")
    for old, new in RENAMED.items():
        text = re.sub(rf"^(  +){old}:(?= )", rf"\1{new}:", text, flags=re.M)  # declared
        text = re.sub(rf"(call|generate): {old}\b", rf"\1: {new}", text)
        text = re.sub(rf"(?<=[ {{]){old}\.(?=[a-z])", f"{new}.", text)  # referred to
        text = re.sub(rf"(?<=ranges: {{batch: \"1..8, best 2\", ){old}\.", f"{new}.", text)
    return (
        head
        + modules
        + text.replace("  video-qa:", "  clip-qa:").replace("  video-vector:", "  clip-vector:")
    )


def names(found: DocumentDiff) -> dict[str, str | None]:
    return {part.a: part.b for part in found.modules if part.a is not None}


def test_a_document_has_everything_in_common_with_itself(small: Checked) -> None:
    found = diff_documents(small, small)
    assert found.same
    assert {part.state for part in found.modules} == {"same"}
    assert {part.state for task in found.tasks for part in task.parts} == {"same"}
    assert diff_text(found).endswith("nothing differs")


def test_names_alone_are_no_difference(small: Checked, checked: Check) -> None:
    other = checked(renamed())
    found = diff_documents(small, other)
    assert names(found) == {name: RENAMED[name] for name in small.modules}
    assert [(task.a, task.b) for task in found.tasks] == [
        ("video-qa", "clip-qa"),
        ("video-vector", "clip-vector"),
    ]
    for task in found.tasks:
        for part in (*task.inputs, *task.nodes):
            assert part.b == RENAMED[part.a or ""], part
    assert found.tasks[1].same
    # The range of an input is written by its name.
    assert [change.what for change in found.tasks[0].changes] == ["compile.ranges"]
    without = [re.sub(r"    compile:\n.*\n", "", text) for text in (DOCUMENT, renamed())]
    found = diff_documents(*map(checked, without))
    assert found.same
    assert diff_text(found).endswith("nothing differs but names")


def test_names_that_were_exchanged_are_seen_through(checked: Check) -> None:
    """`words` and `language` are called as the other was: what they do and where they stand decides."""
    swap = {"words": "language", "language": "words"}
    text = re.sub(r"\b(words|language)(?=[:.][ s])", lambda found: swap[found[1]], DOCUMENT)
    found = diff_documents(checked(DOCUMENT), checked(text))
    pairs = {part.a: part.b for part in found.tasks[0].nodes}
    assert (pairs["words"], pairs["language"]) == ("language", "words")
    assert found.same


def test_a_renamed_module_with_another_config_is_one_change(checked: Check) -> None:
    text = DOCUMENT.replace("  vision:    {uses", "  sight:    {uses").replace(
        "call: vision,", "call: sight,"
    )
    text = text.replace("width: $width, frames: $frames}}\n  text", "width: $width, frames: 2}}\n  text")
    text = text.replace("with: {frames: $frames, size: 32}", "with: {frames: 2, size: 32}")
    found = diff_documents(checked(DOCUMENT), checked(text.replace("  frames: 4\n", "")))
    (changed,) = [part for part in found.modules if part.state != "same"]
    assert (changed.a, changed.b, changed.state) == ("vision", "sight", "changed")
    assert [(change.what, change.a, change.b) for change in changed.changes] == [("frames", 4, 2)]
    states = {part.a: part.state for part in found.tasks[0].nodes}
    assert states["frames"] in ("same", "other sizes")
    assert states["words"] == "same"


def test_a_node_that_was_put_between_is_the_only_new_one(checked: Check) -> None:
    text = DOCUMENT.replace(
        "      fused:    {call: fusion, inputs: {text: language.states, vision: visual.states}}\n",
        "      again:    {call: universal.text, inputs: language.states}\n"
        "      fused:    {call: fusion, inputs: {text: again.states, vision: visual.states}}\n",
    )
    assert text != DOCUMENT
    found = diff_documents(checked(DOCUMENT), checked(text)).tasks[0]
    assert {part.name: part.state for part in found.nodes if part.state != "same"} == {
        "again": "only in B",
        "fused": "changed",
    }
    (change,) = next(part.changes for part in found.nodes if part.a == "fused")
    assert (change.what, change.a, change.b) == ("takes text", "language.states", "again.states")
    back = diff_documents(checked(text), checked(DOCUMENT)).tasks[0]
    assert {part.name: part.state for part in back.nodes if part.state != "same"} == {
        "again": "only in A",
        "fused": "changed",
    }


@pytest.mark.parametrize(
    ("old", "new", "node", "what"),
    [
        ("max_tokens: 6", "max_tokens: 7", "answer", "max_tokens"),
        (
            "first: visual.states, second: fused.text",
            "first: fused.vision, second: fused.text",
            "memory",
            "takes first",
        ),
        ("call: universal.text", "call: universal.vision", "language", "calls"),
    ],
)
def test_what_a_node_does_otherwise_is_named(
    checked: Check, old: str, new: str, node: str, what: str
) -> None:
    assert old in DOCUMENT
    found = diff_documents(checked(DOCUMENT), checked(DOCUMENT.replace(old, new)))
    assert not found.same
    changed = {part.a: part.changes for part in found.tasks[0].nodes if part.state == "changed"}
    assert what in [change.what for change in changed[node]]


def test_other_sizes_are_no_change_of_what_is_given_them(checked: Check) -> None:
    found = diff_documents(checked(DOCUMENT), checked(DOCUMENT, frames=2))
    states = {part.a: part.state for part in found.tasks[0].nodes}
    assert next(part for part in found.modules if part.a == "vision").state == "changed"
    assert states["memory"] == "other sizes"
    assert states["words"] == "same"
    assert not found.same


def test_two_tasks_of_one_document(small: Checked) -> None:
    found = diff_documents(small, small, task_a="video-qa", task_b="video-vector")
    assert (found.a, found.b) == ("small:video-qa", "small:video-vector")
    (task,) = found.tasks
    pairs = {part.a: part.b for part in task.nodes if part.a is not None and part.b is not None}
    assert pairs["frames"] == "frames"
    assert pairs["visual"] == "visual"
    assert {part.a for part in task.nodes if part.state == "only in A"} >= {
        "words",
        "language",
        "fused",
        "answer",
    }
    assert {part.b for part in task.nodes if part.state == "only in B"} == {"scaled", "vector"}
    assert {part.a or part.b: part.state for part in found.modules} == {
        "vision": "same", "universal": "same", "text": "only in A", "fusion": "only in A", "decoder": "only in A",
        "scale": "only in B",
    }  # fmt: skip
    alone = diff_documents(small, small, task_a="video-qa")
    assert [(each.a, each.b) for each in alone.tasks] == [("video-qa", "video-qa")]


def test_a_task_that_only_one_has(small: Checked, checked: Check) -> None:
    short = checked(
        DOCUMENT[: DOCUMENT.index("  video-vector:")].replace("  scale:     {uses: core.layer_norm}", "")
    )
    found = diff_documents(small, short)
    assert [(task.a, task.b) for task in found.tasks] == [("video-qa", "video-qa"), ("video-vector", None)]
    assert "task video-vector: only in A (4 nodes)" in diff_text(found)
    assert counted(found.modules)["only in A"] == 1


@pytest.mark.parametrize("named", ["a", "b"])
def test_a_task_that_was_named_is_held_against_the_most_alike_however_little_that_is(
    small: Checked, checked: Check, named: str
) -> None:
    other = checked("""\
composer: 1
modules: {text: {uses: demo.words, with: {width: 8}}}
tasks:
  far:
    inputs: {line: {modality: text, with: {tokenizer: bert-uncased}}}
    nodes: {words: {call: text, inputs: line}}
    outputs: {words: words}
""")
    one, two = (small, other) if named == "a" else (other, small)
    a, b = ("video-vector", None) if named == "a" else (None, "video-vector")
    (task,) = diff_documents(one, two, task_a=a, task_b=b).tasks
    assert {task.a, task.b} == {"video-vector", "far"}


def test_costs_of_both(small: Checked, checked: Check) -> None:
    other = checked(
        DOCUMENT.replace("uses: demo.words, with: {width: $width}", "uses: demo.words, with: {width: 64}")
    )
    cost = diff_documents(small, other, cost=True).cost
    parameters = cost["parameters"]
    assert parameters["a"] == parameters["b"] == parameters["in common"] > 0
    assert cost["flops"]["video-qa"]["a"] == cost["flops"]["video-qa"]["b"] > 0


def test_the_picture_shows_both_in_colours(small: Checked, checked: Check, tmp_path: Path) -> None:
    other = checked(DOCUMENT.replace("max_tokens: 6", "max_tokens: 7"))
    found = diff_documents(small, other, task_a="video-qa", task_b="video-qa")
    svg = diff_svg(small, other, found)
    words = " ".join(each.text or "" for each in ElementTree.fromstring(svg).iter())
    for title in ("A · small:video-qa", "B · small:video-qa", "changed", "same", "max_tokens: 6 → 7"):
        assert title in words
    assert "only in A" not in words
    draw_diff(tmp_path / "d.html", small, other, found)
    assert (tmp_path / "d.html").read_text(encoding="utf-8").startswith("<!")


def test_pairs_have_the_largest_sum() -> None:
    likely = {("a", "x"): 5.0, ("a", "y"): 4.0, ("b", "x"): 4.0, ("b", "y"): 0.0, ("c", "y"): 1.0}
    assert paired("abc", "xy", lambda one, other: likely.get((one, other), 0.0)) == {"a": "y", "b": "x"}
    assert paired("ab", "xy", lambda one, other: 1.0) == {"a": "x", "b": "y"}
    many = [f"n{number}" for number in range(int(MOST_PAIRS**0.5) + 2)]
    assert paired(many, many, lambda one, other: 1.0) == {name: name for name in many}


def test_a_search_with_other_options_and_another_search_are_each_told_once(checked: Check) -> None:
    def searching(search: str) -> Checked:
        return checked(DOCUMENT.replace("search: demo}", f"search: {search}}}"))

    def told(a: str, b: str) -> list[tuple[str, object, object]]:
        (task, _) = diff_documents(searching(a), searching(b)).tasks
        return [(each.what, each.a, each.b) for part in task.nodes for each in part.changes]

    beams = "{uses: core.beam, with: {beams: 3}}"
    assert told(beams, "{uses: core.beam, with: {beams: 2}}") == [("search.beams", 3, 2)]
    assert told(beams, "core.greedy") == [
        ("search", "core.beam", "core.greedy"),
        ("search.beams", 3, None),
    ]


def test_the_momentum_of_an_average_is_told(tmp_path: Path) -> None:
    text = """\
composer: 1
name: taught
modules:
  head: {uses: core.linear, with: {input_dim: 4, output_dim: 2}}
  teacher: {average_of: head, with: {momentum: 0.9}}
tasks:
  sort:
    inputs: {v: {modality: array, with: {kind: embedding, dims: [B, 4]}}}
    nodes: {own: {call: head.scores, inputs: v}, scores: {call: teacher.scores, inputs: v}}
    outputs: {own: own, scores: scores}
"""
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(text)
    second.write_text(text.replace("0.9", "0.5"))
    found = diff_documents(*(check(path).raise_for_errors() for path in (first, second)))
    (changed,) = [part for part in found.modules if part.changes]
    assert changed.a == "teacher"
    assert [(each.what, each.a, each.b) for each in changed.changes] == [("momentum", 0.9, 0.5)]
