"""Hints do what they say: the value that they name clears the problem, and the adapter that they name fits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documents import checked
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from composer.graph import check
from composer.language import Source
from composer.problems import Problem

DOCUMENT = """\
composer: 1
parameters: {{size: {size}, frames: {frames}}}
modules:
  vision: {{uses: toy.vision, with: {{width: {vision}, size: $size, patch: 4, frames: $frames}}}}
  words: {{uses: toy.text, with: {{width: {words}}}}}
  fusion: {{uses: toy.fuse, with: {{width: {fusion}}}}}
tasks:
  t:
    inputs:
      clip: {{modality: video, with: {{frames: {given_frames}, size: {given_size}}}}}
      question: {{modality: array, with: {{kind: tokens, dims: [B, L]}}}}
    nodes:
      patches: {{call: vision, inputs: clip}}
      read: {{call: words, inputs: question}}
      fused: {{call: fusion, inputs: {{first: read, second: patches}}}}
    outputs: {{o: fused}}
"""
HINT = re.compile(
    r"set (?P<owner>.+?)(?:\.|: )(?P<field>\w+) to (?P<value>\d+)(?P<through> \(it reads \$(?P<parameter>\w+)\))?"
)
SOUND = {"size": 16, "frames": 2, "vision": 8, "words": 8, "fusion": 8, "given_frames": 2, "given_size": 16}


def document(**values: int) -> str:
    return DOCUMENT.format(**SOUND | values)


def applied(text: str, hint: str) -> str:
    """The text with the value that a hint names put where it says."""
    match = HINT.fullmatch(hint)
    assert match is not None
    owner = match["owner"].removeprefix("input ")
    name = match["parameter"] or match["field"]
    line = "parameters:" if match["parameter"] else f"{owner}: "
    lines = [
        re.sub(rf"\b{name}: \d+", f"{name}: {match['value']}", row) if row.strip().startswith(line) else row
        for row in text.splitlines(keepends=True)
    ]
    return "".join(lines)


def hints(problem: Problem) -> list[str]:
    return [text for text in problem.helps if text.startswith("set ")]


def test_the_sound_document_is_sound() -> None:
    assert checked(document()).problems == ()


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "size": st.sampled_from([4, 8, 16, 32]),
            "frames": st.integers(1, 4),
            "vision": st.sampled_from([4, 8, 12]),
            "words": st.sampled_from([4, 8, 12]),
            "fusion": st.sampled_from([4, 8, 12]),
            "given_frames": st.integers(1, 4),
            "given_size": st.sampled_from([4, 8, 16, 32]),
        },
    )
)
@settings(deadline=None, max_examples=150)
def test_every_value_that_a_hint_names_clears_its_problem(changes: dict[str, int]) -> None:
    text = document(**changes)
    problems = checked(text).problems
    assume(problems)
    for problem in problems:
        assert problem.code == "C203"
        assert hints(problem)
        for hint in hints(problem):
            after = checked(applied(text, hint)).problems
            same = [p for p in after if p.place.line == problem.place.line and p.label == problem.label]
            assert same == []


def test_both_chains_end_at_the_values_that_cause_them() -> None:
    (problem,) = checked(document(given_frames=3)).problems
    assert [(note.place.line, note.place.column) for note in problem.notes] == [(10, 46), (4, 78), (2, 32)]
    assert hints(problem) == ["set input clip: frames to 2", "set vision.frames to 3 (it reads $frames)"]


def test_a_cause_far_up_the_graph_is_found() -> None:
    text = document(vision=12).replace(
        "first: read, second: patches", "first: read, second: more"
    ).replace("    outputs", "      more: {uses: core.concat, inputs: {first: half.left, second: half.right}}\n"
              "      half: {uses: toy.split, inputs: patches}\n    outputs")  # fmt: skip
    (problem,) = checked(text).problems
    assert "set vision.width to 8" in problem.helps
    assert any(note.place.line == 4 for note in problem.notes)


def test_a_default_that_is_the_cause_is_named_as_one() -> None:
    text = document(fusion=12).replace("words: {uses: toy.text, with: {width: 8}}", "words: {uses: toy.text}")
    problems = checked(text).problems
    assert any("by default" in note.label for note in problems[0].notes)


def test_a_rule_of_a_config_is_explained_with_both_its_values() -> None:
    (problem,) = checked(document(size=18, given_size=18)).problems
    assert problem.code == "C206"
    assert "not a multiple" in problem.message
    places = {problem.place.line, *(note.place.line for note in problem.notes)}
    assert places == {2, 4}


ADAPTED = """\
composer: 1  # the version

modules:   # declared once
    words: {uses: toy.text, with: {width: 8}}   # reads

    fusion:
        uses: toy.fuse
        with: {width: 12}     # wide
tasks:
    t:
        inputs: {question: {modality: array, with: {kind: tokens, dims: [B, L]}}}
        nodes:
            read: {call: words, inputs: question}
            # the fused states
            fused:
                call: fusion
                inputs: {first: read.states}    # from the words
        outputs: {o: fused}
"""


def test_an_adapter_is_a_hint_that_works_and_never_a_fix() -> None:
    (problem,) = checked(ADAPTED).problems
    assert problem.fix == ()
    (hint,) = (text for text in problem.helps if "core.linear" in text)
    module, node, read = (text.replace("\\", "") for text in re.findall("`([^`]+)`", hint)[1:])
    after = (
        ADAPTED.replace("    fusion:", f"    {module}\n    fusion:")
        .replace("            fused:", f"            {node}\n            fused:")
        .replace("{first: read.states}", f"{{first: {read}}}")
    )
    assert checked(after).problems == ()


def test_a_mistyped_width_is_left_to_the_author() -> None:
    """An adapter would make another model of it, with weights that no checkpoint has."""
    (problem,) = checked(document(words=88)).errors
    assert problem.code == "C203"
    assert problem.fix == ()


HEADS = """\
composer: 1
parameters: {hidden: 64, heads: 4}
modules:
  first: {uses: mplug2.fusion, with: {hidden: $hidden, heads: $heads, layers: 1}}
  second: {uses: mplug2.fusion, with: {hidden: $hidden, heads: $heads, layers: 2}}
"""


def test_a_bad_parameter_is_one_problem_where_it_was_set_last() -> None:
    report = check(Source("heads.yaml", HEADS), settings={"heads": 7})
    (problem,) = [problem for problem in report.problems if problem.severity == "error"]
    assert problem.code == "C206"
    assert not problem.place.is_in_file
    assert "`first` and `second`" in problem.message
    assert problem.label == "heads is 7"


def test_two_values_of_their_own_are_two_problems() -> None:
    text = HEADS.replace("$heads, layers: 1", "5, layers: 1").replace("$heads, layers: 2", "7, layers: 2")
    errors = [p for p in check(Source("heads.yaml", text)).problems if p.code == "C206"]
    assert [problem.place.line for problem in errors] == [4, 5]


@pytest.mark.parametrize(
    "name",
    [
        "detectron2",
        "torchvision.models.resnet50",
        "torch.nn.Linear",
        "diffusers:AutoPipeline",
        "google/vit-base-patch16-224",
        "open-clip.ViT-B-32",
    ],
)
def test_a_name_of_a_library_is_answered_with_how_it_comes_in(name: str) -> None:
    text = (
        "composer: 1\n"
        f"modules: {{m: {{uses: '{name}'}}}}\n"
        "tasks:\n  t:\n    inputs: {x: {modality: array, with: {kind: states, dims: [B, N, 8]}}}\n"
        "    nodes: {n: {call: m, inputs: x}}\n    outputs: {o: n}\n"
    )
    (problem,) = checked(text).problems
    assert problem.code == "C201"
    (help_,) = problem.helps
    assert "`composer plugins new`" in help_
    assert "core." not in help_
    assert problem.fix == ()


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("timm", "timm.backbone"),
        ("timm.vit_base_patch16_224", "timm.backbone"),
        ("transformers.BertModel", "transformers.text_encoder"),
        ("transformers:AutoModel", "transformers.vision_encoder"),
    ],
)
def test_a_name_of_a_library_that_a_plugin_brings_names_its_types(name: str, offered: str) -> None:
    text = f"composer: 1\nmodules: {{m: {{uses: '{name}'}}}}\n"
    (problem,) = [each for each in checked(text).problems if each.code == "C201"]
    (help_,) = problem.helps
    assert offered in help_
    assert "docs/models.md" in help_


def test_a_file_beside_a_parent_is_hinted_at_where_a_child_names_it(tmp_path: Path) -> None:
    parent, child = tmp_path / "above" / "parent.yaml", tmp_path / "child.yaml"
    parent.parent.mkdir()
    (parent.parent / "words.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    task = (
        "  {name}:\n    inputs: {{q: {{modality: text, with: {{tokenizer: {file}}}}}}}\n"
        "    nodes: {{w: {{call: text, inputs: q}}}}\n    outputs: {{w: w}}\n"
    )
    modules = "modules: {text: {uses: mplug2.text_encoder, with: {hidden: 8, heads: 2, layers: 1, vocabulary: 6}}}\n"
    parent.write_text(
        f"composer: 1\nname: parent\n{modules}tasks:\n{task.format(name='one', file='words.txt')}"
    )
    child.write_text(
        f"composer: 1\nextends: above/parent.yaml\ntasks:\n{task.format(name='two', file='words.txt')}"
    )
    (problem,) = check(child).problems
    assert (problem.code, problem.place.file) == ("C206", str(child))
    (hint,) = problem.helps
    assert f"`words.txt` lies beside {parent}" in hint
    assert hint.endswith(f"or write its path, {parent.parent / 'words.txt'}")
    child.write_text(child.read_text().replace("tokenizer: words.txt", "tokenizer: above/words.txt"))
    assert not check(child).problems
