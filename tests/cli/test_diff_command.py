"""`composer diff`: what is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_two_tasks_of_mplug2_share_every_module(composer) -> None:
    done = composer("diff", "mplug2:video-qa", "mplug2:image-qa")
    assert (done.code, done.err) == (0, "")
    assert "modules: 7 same\n" in done.out
    assert "task video-qa → image-qa" in done.out
    assert "calls: vision.video → vision.image" in done.out


def test_json_holds_the_same(composer) -> None:
    done = composer("diff", "mplug2:video-qa", "mplug2:image-qa", "--json")
    told = json.loads(done.out)
    assert (told["a"], told["b"], told["same"]) == ("mplug2:video-qa", "mplug2:image-qa", False)
    assert told["modules"]["summary"]["same"] == 7
    (task,) = told["tasks"]
    assert {"a": "question", "b": "question", "type": "text", "state": "same"} in task["inputs"]


@pytest.mark.parametrize(("a", "b", "code"), [("mplug2", "mplug2", 0), ("mplug2", "mplug2-base", 1)])
def test_the_exit_code_tells_on_demand(composer, a: str, b: str, code: int) -> None:
    assert composer("diff", a, b).code == 0
    assert composer("diff", a, b, "--exit-code").code == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mplug2:video-qaa", "mplug2"], "did you mean `video-qa`?"),
        (["mplug2", "gone.yaml"], "gone.yaml"),
        (["mplug2", "broken.yaml"], "error[C"),
    ],
)
def test_what_cannot_be_compared(
    composer, tmp_path: Path, monkeypatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.yaml").write_text("composer: 1\nname: broken\ntasks:\n  t: {inputs: {x: {modality: txt}}}\n")
    done = composer("diff", *arguments)
    assert (done.code, done.out) == (1, "")
    assert message in done.err
    assert "Traceback" not in done.err
