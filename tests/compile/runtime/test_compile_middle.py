"""Artifacts whose stages alternate: what one search writes is read, on the host, for the next program."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from compiled import Compiled, compiled
from composer_compile.artifact.manifest import GenerateEntry, HostCallEntry, Manifest, ReadEntry, StageEntry
from composer_compile.artifact.manifest_faults import manifest_faults
from composer_compile.artifact.manifest_file import write_manifest
from composer_compile.errors import CompileError
from composer_compile.options import Options
from composer_compile.parity.records import verify_samples
from composer_compile.plan.planner import plan_document

from composer.cli import main
from composer.problems import InputError

Clip = Callable[[int], np.ndarray]

DOCUMENT = """\
composer: 1
name: middle
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 8, patch_size: 4, width: 16, layers: 1, heads: 2, frames: 2}}
  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, vocabulary: 35, positions: 16}}
  decoder:
    uses: mplug2.text_decoder
    with:
      {hidden: 16, heads: 2, layers: 1, vocabulary: 35, positions: 16, tokenizer: words.txt, start: 2, end: 3, pad: 0}
tasks:
  twice:
    inputs:
      video: {modality: video, with: {frames: 2, size: 8}}
      question: {modality: string}
    nodes:
      frames: {call: vision, inputs: {pixels: video.pixels}}
      said: {generate: decoder, inputs: {memory: frames.states}, with: {max_tokens: 4}}
      put: {uses: core.text_template, inputs: {q: question, said: said.text}, with: {template: "{q} {said}"}}
      asked: {modality: text, inputs: put, with: {tokenizer: words.txt, max_tokens: 12}}
      words: {call: text, inputs: asked}
      memory: {uses: core.concat, inputs: {first: frames.states, second: words}}
      answer: {generate: decoder, inputs: {memory: memory}, with: {max_tokens: 5}}
      found: {uses: core.parse_pattern, inputs: question, with: {pattern: '(?P<number>\\d+)', fields: {number: number}}}
    outputs:
      said: said.text
      put: put.text
      answer: answer.text
      states: words.states
      number: found.number
      question: question.text
    compile: {ranges: {batch: "1..3, best 2", asked.length: "2..12, best 6"}}
"""


@pytest.fixture(scope="module")
def middle(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return compiled(tmp_path_factory.mktemp("middle"), "middle", DOCUMENT, seed=3)


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    texts = [name for name, value in theirs.items() if isinstance(value, (str, list))]
    assert {name: ours[name] for name in texts} == {name: theirs[name] for name in texts}
    assert ours["number"].tolist() == theirs["number"].tolist()
    torch.testing.assert_close(ours["states"].values, theirs["states"].values, atol=1e-4, rtol=1e-4)
    return True


def test_it_answers_as_the_live_model(middle: Compiled, clip: Clip) -> None:
    with composer_compile.load(middle.artifact) as artifact:
        order = [type(part).__name__ for part in artifact.manifest.tasks["twice"].order]
        one = {"video": clip(1), "question": "is 0.1 there"}
        assert same(artifact.run(**one), middle.model.run(**one))
        rows = {"video": [clip(n) for n in range(3)], "question": ["a 12345678.5", "is there a", ""]}
        assert same(artifact.run(**rows), middle.model.run(**rows))
        session = artifact.session(video=clip(2))
        assert session.inputs == ("question",)
        for question in ("a", "is there a red"):
            assert same(session.ask(question=question), middle.model.run(video=clip(2), question=question))
        stream, live = artifact.stream(**one), middle.model.stream(**one)
        assert list(stream) == list(live)
        assert stream.earlier == live.earlier == {"said": artifact.run(**one)["said"]}
    kinds = [StageEntry, GenerateEntry, HostCallEntry, ReadEntry, StageEntry, GenerateEntry, HostCallEntry]
    assert order == [kind.__name__ for kind in kinds]


def test_every_stage_was_compared(middle: Compiled) -> None:
    with composer_compile.load(middle.artifact) as artifact:
        compared = {each.output for each in artifact.manifest.parity["twice"].differences}
        assert {
            "said.logits",
            "said.ids",
            "words.states.values",
            "answer.logits",
            "answer.ids",
            "number",
        } <= compared
        (verified,) = verify_samples(artifact)
        assert verified.passed
        assert {"said.ids", "answer.ids"} <= {each.output for each in verified.differences}


def test_it_needs_no_file_beside_it(middle: Compiled, tmp_path: Path, clip: Clip) -> None:
    shutil.copytree(middle.artifact, tmp_path / "moved")
    with composer_compile.load(tmp_path / "moved") as artifact:
        assert same(artifact.run(video=clip(4), question="a"), middle.model.run(video=clip(4), question="a"))


def test_a_length_that_was_not_compiled_is_told(middle: Compiled, tmp_path: Path, clip: Clip) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(middle.artifact, copy)
    data = json.loads((copy / "manifest.json").read_text())
    del data["digest"]
    part = next(part for part in data["tasks"]["twice"]["order"] if "read" in part)
    part["ranges"]["asked.length"]["high"] = 6
    (copy / "manifest.json").write_bytes(write_manifest(Manifest.model_validate(data)))
    told = r"`asked.length` is 12, and task `twice` was compiled for 2..6; rebuild with .*--range asked.length=2..12`"
    with composer_compile.load(copy) as artifact, pytest.raises(InputError, match=told):
        artifact.run(video=clip(0), question="is there a red " * 3)


@pytest.mark.parametrize(
    ("span", "told"),
    [
        ("2..60", r"`asked.length` goes from 2 to 60, and the modules of this task take 1 to 12"),
        pytest.param(
            "2..3",
            r"in a sample, `asked.length` is \d+, .* give a range that holds it, such as `--range asked.length=2",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_ranges_of_what_is_read_are_held(middle: Compiled, tmp_path: Path, span: str, told: str) -> None:
    options = Options(ranges={"asked.length": span, "batch": "1..1"}, accept_drift=True)
    with pytest.raises(CompileError, match=told):
        composer_compile.compile_document(
            middle.document, tmp_path / "out", weights=middle.weights, options=options
        )
    assert not (tmp_path / "out").exists()


def test_what_would_run_where_is_planned(middle: Compiled) -> None:
    (task,) = plan_document(middle.document).tasks
    assert task.sizes == {"batch": 2, "asked.length": 6}
    stages = {stage.name: [node.name for node in stage.nodes] for stage in task.stages}
    assert stages["host"] == ["put", "asked"]
    assert stages["encode-2"] == ["words", "memory"]
    assert all(node.on_host for stage in task.stages if stage.name == "host" for node in stage.nodes)


def test_inspect_tells_of_what_is_read(middle: Compiled, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(middle.artifact)]) == 0
    assert "host    asked                text (asked.length 2..12)" in capsys.readouterr().out


def test_a_manifest_that_names_nothing_is_refused(middle: Compiled) -> None:
    data = json.loads((middle.artifact / "manifest.json").read_text())
    part = next(part for part in data["tasks"]["twice"]["order"] if "read" in part)
    part["sources"] = {"text": "nobody.text"}
    part["sizes"] = {"X": "asked.length"}
    faults = list(manifest_faults(Manifest.model_validate(data)))
    assert any("nothing gives nobody.text" in fault for fault in faults)
    assert any("sizes.X" in fault for fault in faults)
