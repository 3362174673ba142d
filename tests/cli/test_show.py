"""`composer show`: a document, a task, its plan, and where every value comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml


def test_a_document_lists_parameters_modules_and_tasks(composer, document: Path) -> None:
    done = composer("show", document)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "vectors\n\nparameters\n  hidden  64\n\n"
        "modules\n  name  uses                 called by\n  text  mplug2.text_encoder  embed\n\n"
        "tasks\n  name   takes     gives\n  embed  question  vector\n"
    )


def test_a_module_that_is_called_twice_says_so(composer, document: Path) -> None:
    again = "      again: {call: text, inputs: {tokens: question.tokens}}\n"
    text = document.read_text().replace("    outputs:\n", f"{again}    outputs:\n      again: again.states\n")
    document.write_text(text)
    assert "embed (2 times)" in composer("show", document).out


def test_a_task_shows_every_port_type(composer, document: Path) -> None:
    out = composer("show", f"{document}:embed").out
    assert out.splitlines() == [
        "embed",
        "A vector for a question.",
        "",
        "            calls      takes             gives",
        "inputs",
        "  question  text                         tokens: tokens[B, L]",
        "nodes",
        "  words     text       question.tokens   states: states[B, L, 64]",
        "  vector    core.pool  words.states      embedding: embedding[B, 64]",
        "outputs",
        "  vector               vector.embedding  embedding[B, 64]",
    ]


def test_a_plan_shows_the_stages(composer, document: Path) -> None:
    done = composer("show", f"{document}:embed", "--plan", "--set", "hidden=128")
    assert done.code == 0
    assert "stage encode" in done.out
    assert "states[B, L, 128]" in done.out


def test_every_value_is_shown_with_its_origin(composer, document: Path) -> None:
    Path("child.yaml").write_text("composer: 1\nextends: vectors.yaml\nparameters: {hidden: 128}\n")
    out = composer("show", "child.yaml", "--resolved").out
    rows = [tuple(part.strip() for part in line.split("#", 1)) for line in out.splitlines() if "#" in line]
    assert ("heads: 4", "vectors.yaml:6") in rows
    assert [origin for text, origin in rows if text == "hidden: 128"] == [
        "child.yaml:3",
        "vectors.yaml:6 $hidden = child.yaml:3:22",
    ]


def test_the_resolved_text_is_the_document_again(composer, document: Path) -> None:
    merged = yaml.safe_load(composer("show", document, "--resolved").out)
    original = yaml.safe_load(document.read_text().replace("$hidden", "64"))
    assert merged == original


def test_a_document_with_errors_shows_them_instead(composer, document: Path) -> None:
    document.write_text(document.read_text().replace("heads: 4", "head: 4"))
    done = composer("show", document)
    assert (done.code, done.out) == (1, "")
    assert "error[C101]" in done.err


def test_an_unknown_task_is_recognised(composer, document: Path) -> None:
    done = composer("show", f"{document}:embd")
    assert (done.code, done.err) == (
        1,
        "composer: error: vectors has no task `embd`; did you mean `embed`?\n",
    )


@pytest.mark.parametrize("flag", ["--resolved", "--plan"])
def test_a_missing_file_is_one_problem(composer, flag: str) -> None:
    done = composer("show", "gone.yaml", flag)
    assert (done.code, done.out) == (1, "")
    assert "error[C001]" in done.err
