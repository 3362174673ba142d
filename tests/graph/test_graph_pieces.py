"""Pieces: parts of graphs that are written once, checked once, and proven for each use by itself."""

from __future__ import annotations

import re

import pytest
from documents import changed, checked

from composer.graph import Report
from composer.plan import plan_objective, plan_task
from composer.problems import Problem

DOCUMENT = """\
composer: 1
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 2}}
  narrow: {uses: core.linear, with: {output_dim: 16}}
  other: {uses: core.linear, with: {output_dim: 8}}
pieces:
  joined:
    summary: Two texts, one behind the other.
    parameters: {how: mean, width: 64}
    inputs: {first: "states[B, N, D]", second: "states[B, M, D]"}
    nodes:
      both: {uses: core.concat, inputs: {first: first, second: second}}
      vector: {uses: core.pool, inputs: {states: both.states}, with: {how: $how}}
    outputs: {states: both.states, embedding: vector.embedding, first: first}
  read:
    parameters: {how: max}
    inputs: {tokens: tokens}
    nodes:
      words: {call: text, inputs: {tokens: tokens}}
      twice: {piece: joined, inputs: {first: words.states, second: words.states}, with: {how: $how}}
    outputs: {states: twice.states, embedding: twice.embedding}
tasks:
  embed:
    inputs:
      question: {modality: text, with: {tokenizer: bert-uncased}}
      wide: {modality: array, with: {kind: states, dims: [B, 5, 8]}}
    nodes:
      one: {piece: read, inputs: {tokens: question.tokens}, with: {how: mean}}
      two: {piece: joined, inputs: {first: one.states, second: one.states}}
      three: {piece: joined, inputs: {first: wide, second: wide}}
      handed: {uses: core.pool, inputs: {states: three.first}}
    outputs: {vector: two.embedding, wide: three.states, handed: handed}
"""


def report(*changes: tuple[str, str]) -> Report:
    return checked(changed(DOCUMENT, *changes))


def errors(*changes: tuple[str, str]) -> list[Problem]:
    return list(report(*changes).errors)


def test_plans_are_flat_and_name_nodes_by_path() -> None:
    plan = plan_task(report().raise_for_errors().tasks["embed"])
    assert [step.name for step in plan.steps] == [
        "one/words",
        "one/twice/both",
        "two/both",
        "two/vector",
        "three/both",
        "handed",
    ]
    assert plan.slots[plan.outputs["vector"]] == ("two/vector", "embedding")


def test_types_are_inferred_for_each_use_by_itself() -> None:
    types = report().tasks["embed"].types
    assert str(types["two/both", "states"].dims[1].bare) == "4*L"
    assert [str(dim.bare) for dim in types["three/both", "states"].dims] == ["B", "10", "8"]


def test_arguments_reach_the_nodes_of_their_use_alone() -> None:
    nodes = report().tasks["embed"].nodes
    assert nodes["one/twice/vector"].module.config.model_dump()["how"] == "mean"
    default = report((", with: {how: mean}}", "}")).tasks["embed"].nodes
    assert default["one/twice/vector"].module.config.model_dump()["how"] == "max"
    assert default["two/vector"].module.config.model_dump()["how"] == "mean"


def test_nodes_inside_know_their_own_lines_and_modules_in_place_their_paths() -> None:
    node = report().tasks["embed"].nodes["one/twice/both"]
    assert node.path == ("pieces", "joined", "nodes", "both")
    assert node.module.name == "one/twice/both"


def test_an_input_that_is_handed_through_is_what_was_given() -> None:
    assert report().tasks["embed"].nodes["handed"].sources == {"states": ("wide", "states")}


def test_a_use_that_gives_other_dims_is_told_at_its_own_line() -> None:
    (problem,) = errors(("{first: wide, second: wide}", "{first: wide, second: one.states}"))
    assert problem.code == "C203"
    assert problem.message.startswith(
        "dimension mismatch on one/twice/both.states → three.second: width 64 ≠ 8"
    )
    assert problem.place.line == DOCUMENT[: DOCUMENT.index("three:")].count("\n") + 1
    assert problem.notes[0].label == "input `second` of piece `joined`"
    assert "`M`" not in problem.message


def test_what_two_uses_bring_to_one_line_inside_is_told_once_with_the_line_that_uses_it() -> None:
    again = (
        "      handed:",
        "      four: {piece: joined, inputs: {first: wide, second: one.states}}\n"
        "      five: {piece: joined, inputs: {first: wide, second: two.states}}\n      handed:",
    )
    open_types = ('"states[B, N, D]", second: "states[B, M, D]"', "states, second: states")
    (problem,) = errors(open_types, again)
    assert problem.code == "C203"
    assert problem.place.line == DOCUMENT[: DOCUMENT.index("both:")].count("\n") + 1
    (note,) = [note for note in problem.notes if note.label == "piece `joined` is used here"]
    assert note.place.line == DOCUMENT[: DOCUMENT.index("handed:")].count("\n") + 1


def test_what_is_wrong_inside_whatever_comes_is_told_once_and_nothing_of_what_uses_it() -> None:
    (problem,) = errors(
        ("{call: text, inputs: {tokens: tokens}}", "{call: text, inputs: {tokens: tokens}, with: {x: 1}}")
    )
    assert problem.code == "C101"
    assert problem.place.line == DOCUMENT[: DOCUMENT.index("words:")].count("\n") + 1


def test_an_argument_that_its_nodes_refuse_names_the_line_that_gives_it() -> None:
    (problem,) = errors(("with: {how: mean}}\n      two", "with: {how: middle}}\n      two"))
    assert problem.code == "C206"
    assert problem.place.line == DOCUMENT[: DOCUMENT.index("vector: {uses")].count("\n") + 1
    use = DOCUMENT[: DOCUMENT.index("one: {piece")].count("\n") + 1
    assert use in [note.place.line for note in problem.notes]


def test_a_piece_that_nobody_uses_is_checked_as_far_as_its_types_go() -> None:
    unused = (
        "  read:\n",
        '  lost:\n    inputs: {states: "states[B, N, 5]", more: "states[B, N, 6]"}\n    nodes:\n'
        "      sum: {uses: core.add, inputs: {first: states, second: more}}\n    outputs: {sum: sum.states}\n  read:\n",
    )
    found = report(unused)
    (problem,) = found.errors
    assert (problem.code, problem.message) == ("C203", "dimension mismatch on more → sum.second: width 6 ≠ 5")
    fine = report((unused[0], unused[1].replace("N, 6", "N, 5")))
    assert [p.code for p in fine.problems if p.code == "C229"] == ["C229"]


def test_nodes_of_two_uses_may_wait_for_each_other() -> None:
    """A use is no node: it may give before all that it takes is there."""
    crossed = report(
        (
            "  read:\n",
            "  pair:\n    inputs: {a: states, b: states}\n    nodes:\n"
            "      x: {uses: core.concat, inputs: {first: a, second: a}}\n"
            "      y: {uses: core.concat, inputs: {first: b, second: b}}\n"
            "    outputs: {x: x.states, y: y.states}\n  read:\n",
        ),
        ("      handed:", "      pairs: {piece: pair, inputs: {a: wide, b: pairs.x}}\n      handed:"),
        ("handed: handed}", "handed: handed, pairs: pairs.y}"),
    )
    assert not crossed.errors
    plan = plan_task(crossed.raise_for_errors().tasks["embed"])
    names = [step.name for step in plan.steps]
    assert names.index("pairs/x") < names.index("pairs/y")
    assert str(crossed.tasks["embed"].types["pairs/y", "states"].dims[1]) == "20"


@pytest.mark.parametrize("source", ["pairs.y", "pairs.a"])
def test_a_circle_through_a_use_is_told(source: str) -> None:
    found = errors(
        (
            "  read:\n",
            "  pair:\n    inputs: {a: states, b: states}\n    nodes:\n"
            "      y: {uses: core.concat, inputs: {first: b, second: a}}\n"
            "    outputs: {y: y.states, a: a}\n  read:\n",
        ),
        ("      handed:", f"      pairs: {{piece: pair, inputs: {{a: {source}, b: wide}}}}\n      handed:"),
        ("handed: handed}", "handed: handed, pairs: pairs.y}"),
    )
    assert [problem.code for problem in found] == ["C210"]


def test_what_only_an_unneeded_part_of_a_use_reads_is_not_called_unused() -> None:
    kept = "      kept: {uses: core.pool, inputs: two.first}\n      handed:"
    found = report(("{vector: two.embedding, ", "{kept: kept, "), ("      handed:", kept))
    assert not [p for p in found.problems if p.code == "C215"]
    gone = report(("{vector: two.embedding, ", "{"))
    assert [p.message for p in gone.problems if p.code == "C215"] == [
        "no output needs node `one`",
        "no output needs node `two`",
    ]


def test_widths_that_a_use_fixes_are_the_modules() -> None:
    narrow = (
        "      vector: {uses: core.pool, inputs: {states: both.states}, with: {how: $how}}",
        "      thin: {call: narrow, inputs: {states: both.states}}\n"
        "      vector: {uses: core.pool, inputs: {states: thin.states}, with: {how: $how}}",
    )
    found = errors(narrow)
    assert [problem.code for problem in found] == ["C211"]
    fine = report(
        narrow,
        ("      three: {piece: joined, inputs: {first: wide, second: wide}}\n", ""),
        ("states: three.first", "states: wide"),
        ("wide: three.states, ", ""),
    )
    assert not fine.errors
    assert fine.modules["narrow"].config.model_dump()["input_dim"] == 64


def test_precisions_name_nodes_by_path() -> None:
    compile_ = (
        "    outputs: {vector: two",
        "    compile: {precisions: {two/both: fp16}}\n    outputs: {vector: two",
    )
    assert not errors(compile_)
    (problem,) = errors((compile_[0], compile_[1].replace("two/both", "two/bth")))
    assert problem.code == "C112"
    assert problem.helps[0] == "did you mean `two/both`?"
    (problem,) = errors((compile_[0], compile_[1].replace("two/both", "two")))
    assert problem.helps[0] == "`two` uses a piece: name its nodes, two/both, two/vector"
    (problem,) = errors(compile_, ("uses: core.concat", "uses: core.concta"))
    assert problem.code == "C201"  # what the nodes inside are is not known


def test_an_argument_that_stands_for_nothing_is_one_problem() -> None:
    (problem,) = errors(("with: {how: mean}}\n      two", "with: {how: $nothing}}\n      two"))
    assert (problem.code, problem.message) == ("C103", "there is no parameter `nothing`")


def test_dims_read_parameters() -> None:
    wide = ('first: "states[B, N, D]"', 'first: "states[B, N, $width]"')
    assert {problem.code for problem in errors(wide)} == {"C203"}
    argument = ("second: wide}}", "second: wide}, with: {width: 8}}")
    assert not errors(wide, argument)
    (problem,) = errors((wide[0], wide[1].replace("$width", "$how")))
    assert problem.code == "C231"


TRAINED = """\
composer: 1
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1}}
  decoder: {uses: mplug2.text_decoder, with: {hidden: 64, heads: 4, layers: 1}}
pieces:
  loss:
    inputs: {memory: states, target: tokens}
    nodes:
      guesses: {call: decoder, inputs: {memory: memory, tokens: target}}
      scored: {uses: mplug2.caption_loss, inputs: {logits: guesses.logits, captions: target}}
    outputs: {loss: scored.loss}
  written:
    inputs: {memory: states}
    nodes:
      answer: {generate: decoder, inputs: {memory: memory}, with: {max_tokens: 3}}
    outputs: {text: answer.text, ids: answer.ids}
tasks:
  t:
    inputs: {question: {modality: text, with: {tokenizer: bert-uncased}}}
    nodes:
      words: {call: text, inputs: question}
      said: {piece: written, inputs: {memory: words.states}}
    outputs: {said: said.text}
    objective:
      inputs: {target: {modality: text, with: {tokenizer: bert-uncased}}}
      nodes:
        loss: {piece: loss, inputs: {memory: words.states, target: target.tokens}}
      loss: loss.loss
"""


def test_objectives_use_pieces_and_searches_stand_in_them() -> None:
    task = checked(TRAINED).raise_for_errors().tasks["t"]
    assert [stage.name for stage in plan_task(task).stages] == ["encode", "decode"]
    assert [step.name for step in plan_objective(task).steps] == ["words", "loss/guesses", "loss/scored"]
    assert task.nodes["loss/scored"].training


def test_a_search_in_a_piece_of_an_objective_is_refused() -> None:
    text = TRAINED.replace(
        "        loss: {piece",
        "        more: {piece: written, inputs: {memory: words.states}}\n        loss: {piece",
    )
    (problem,) = checked(text).errors
    assert (problem.code, problem.message) == ("C223", "node `more/answer` generates inside an objective")


def test_deep_and_wide_pieces_end_in_a_problem_and_not_in_memory() -> None:
    levels = "".join(
        f"  p{i}:\n    inputs: {{s: states}}\n    nodes:\n      a: {{piece: p{i - 1}, inputs: {{s: s}}}}\n"
        f"      b: {{piece: p{i - 1}, inputs: {{s: a.s}}}}\n    outputs: {{s: b.s}}\n"
        for i in range(1, 60)
    )
    text = (
        "composer: 1\npieces:\n  p0:\n    inputs: {s: states}\n"
        "    nodes: {a: {uses: core.add, inputs: {first: s, second: s}}}\n"
        f"    outputs: {{s: a.states}}\n{levels}tasks:\n  t:\n"
        "    inputs: {x: {modality: array, with: {kind: states, dims: [B, N, 4]}}}\n"
        "    nodes: {n: {piece: p59, inputs: {s: x}}}\n    outputs: {s: n.s}\n"
    )
    (problem,) = checked(text).errors
    assert problem.code == "C230"
    chain = re.sub(r"      b: .*\n    outputs: {s: b.s}", "    outputs: {s: a.s}", text)
    assert [p.code for p in checked(chain).errors] == ["C230"]
    short = chain[: chain.index("  p40:")] + chain[chain.index("tasks:") :].replace("p59", "p39")
    assert not checked(short).errors


LOOK = """\
composer: 1
modules: {narrow: {uses: core.linear, with: {input_dim: 8, output_dim: 3}}}
pieces:
  look:
    inputs: {states: states}
    nodes:
      thin: {call: narrow, inputs: {states: states}}
    outputs: {states: thin.states}
tasks:
  t:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, N, 8]}}}
    nodes:
      seen: {piece: look, inputs: {states: x.states}}
      mean: {uses: core.pool, inputs: {states: seen.states}}
    outputs: {mean: mean.embedding, states: seen.states}
"""


@pytest.mark.parametrize(
    ("written", "instead", "code"),
    [
        ("    inputs: {states: states}\n", "    inputs: {states: states}\n    inputs: {s: states}\n", "C003"),
        ("    nodes:\n      thin", "    nodes: {}\n    nodes:\n      thin", "C003"),
        ("    outputs: {states: thin", "    outputs: {s: thin.states}\n    outputs: {states: thin", "C003"),
        ("    inputs: {states: states}\n", "    input: {states: states}\n", "C101"),
        ("    nodes:\n      thin", "    node:\n      thin", "C101"),
        ("    inputs: {states: states}\n", "    inputs: states\n", "C102"),
        ("    inputs: {states: states}\n", "    inputs: [states]\n", "C102"),
        ("      thin: {call", "      a/b: {call", "C109"),
    ],
)
def test_a_part_of_a_piece_that_cannot_be_read_says_nothing_of_its_uses(
    written: str, instead: str, code: str
) -> None:
    assert checked(LOOK).ok
    text = LOOK.replace(written, instead, 1)
    assert text != LOOK
    assert {problem.code for problem in checked(text).problems} == {code}


def test_a_piece_whose_name_is_gone_is_neither_unknown_nor_in_a_circle() -> None:
    """Its parts then stand twice in the piece before it."""
    text = LOOK.replace(
        "tasks:\n",
        "  near:\n    inputs: {states: states}\n    nodes: {a: {piece: look, inputs: states}}\n"
        "    outputs: {states: a.states}\ntasks:\n",
    ).replace("piece: look, inputs: {states: x", "piece: near, inputs: {states: x")
    assert checked(text).ok
    assert {problem.code for problem in checked(text.replace("  near:\n", "")).problems} == {"C003"}


def test_pieces_that_double_each_other_are_counted_before_they_are_put_in() -> None:
    """A text of thirty lines would stand for a billion nodes."""
    doubled = [
        f"  p{n}:\n    inputs: {{states: states}}\n"
        f"    nodes: {{a: {{piece: {below}, inputs: states}}, b: {{piece: {below}, inputs: a}}}}\n"
        "    outputs: {states: b}\n"
        for n, below in enumerate(["same", *(f"p{n}" for n in range(29))])
    ]
    same = "  same:\n    inputs: {states: states}\n    nodes: {a: {uses: core.dropout, inputs: states}}\n"
    text = LOOK.replace("tasks:\n", same + "    outputs: {states: a}\n" + "".join(doubled) + "tasks:\n")
    report = checked(text.replace("piece: look", "piece: p29"))
    assert [problem.code for problem in report.errors] == ["C230"]


def test_arguments_of_several_uses_are_each_told() -> None:
    """A use that gives a wrong value hides no other one, whatever it gives."""
    text = LOOK.replace(
        "    inputs: {states: states}\n", "    parameters: {how: mean}\n    inputs: {states: states}\n", 1
    )
    text = text.replace(
        "    outputs: {states: thin.states}\n",
        "      pooled: {uses: core.pool, inputs: thin, with: {how: $how}}\n"
        "    outputs: {states: thin.states, mean: pooled}\n",
        1,
    )
    assert {problem.code for problem in checked(text).problems} <= {"C215"}
    uses = "".join(
        f"      u{n}: {{piece: look, inputs: x, with: {{how: {how}}}}}\n"
        for n, how in enumerate(("meen", "maxx", "max"))
    )
    text = text.replace("      mean: {uses", uses + "      mean: {uses").replace(
        "outputs: {mean: mean", "outputs: {a: u0.mean, b: u1.mean, c: u2.mean, mean: mean"
    )
    report = checked(text)
    assert [(problem.code, problem.label) for problem in report.errors] == [
        ("C206", "how is 'meen'"),
        ("C206", "how is 'maxx'"),
    ]
