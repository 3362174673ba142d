"""`composer suggest`: the list, the document that is chosen, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_the_list_has_a_line_for_each_node(composer) -> None:
    done = composer("suggest", "--from", "video,text", "--to", "text", "--using", "mplug2", "--most", 3)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("video + text → text: 3 shown, ")
    assert " 1. mplug2.vision_encoder, mplug2.text_encoder, mplug2.text_decoder, 4,3" in done.out
    assert " parameters\n" in done.out
    assert "generated: {generate: text_decoder, inputs: {memory: joined.states}}" in done.out


def test_the_chosen_one_is_a_document_that_checks_and_runs(composer, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = composer("suggest", "--from", "text", "--to", "embedding", "--pick", 2, "--out", "my.yaml")
    assert (done.code, done.out) == (0, "")
    assert "wrote my.yaml" in done.err
    assert "name: my\n" in Path("my.yaml").read_text()
    assert composer("check", "my.yaml").out == "my.yaml: no problems\n"
    done = composer("run", "my.yaml", "--weights", "initial", "text=is there a circle?")
    assert done.code == 0, done.err
    again = composer("suggest", "--from", "text", "--to", "embedding", "--out", "my.yaml")
    assert again.code == 1
    assert "my.yaml exists already" in again.err


def test_json_holds_the_documents_and_cost_orders_them(composer) -> None:
    told = json.loads(composer("suggest", "--from", "image", "--to", "text", "--json", "--cost").out)
    assert (told["from"], told["to"]) == (["image"], ["text"])
    counts = [each["parameters"] for each in told["proposals"]]
    assert counts == sorted(counts)
    assert all(each["document"].startswith("composer: 1\n") for each in told["proposals"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "image", "--to", "txet"], "did you mean `text`?"),
        (["--from", "image", "--to", "text", "--pick", "99"], "there is no proposal 99: "),
        (["--from", "image", "--to", "text", "--out", "my.txt"], "end it with .yaml"),
        (["--from", "image,", "--to", "text"], "separated by commas"),
    ],
)
def test_what_is_refused(composer, arguments: list[str], message: str) -> None:
    done = composer("suggest", *arguments)
    assert done.code in (1, 2)
    assert message in done.err
    assert "Traceback" not in done.err


def test_what_can_be_trained_is_written_with_its_objective(composer, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    ends = ("--from", "image,text", "--to", "text", "--using", "mplug2")
    done = composer("suggest", *ends, "--objective", "--quick", "--most", 2)
    assert done.code == 0, done.err
    assert "     objective: loss: {uses: mplug2." in done.out
    done = composer("suggest", *ends, "--objective", "--quick", "--out", "my.yaml")
    assert done.code == 0, done.err
    written = Path("my.yaml").read_text()
    assert "\n      loss: loss.loss\n    evaluation: {output: text, reference: target, metrics: {" in written
    assert composer("check", "my.yaml").out == "my.yaml: no problems\n"
    planned = composer("show", "my.yaml", "--plan", "--objective").out
    assert "loss: scalar" in planned
    assert "target.L" in planned
