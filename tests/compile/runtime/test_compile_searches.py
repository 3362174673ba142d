"""Tasks with several searches: side by side over one memory, and one after the other with programs between them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from composer_compile.artifact.manifest import GenerateEntry, StageEntry
from composer_compile.parity.records import verify_samples
from composer_compile.plan.planner import plan_document
from toy import registry as toy_registry

from composer.cli import main
from composer.execution import Model, load
from composer.plugin import Registry
from composer.weights import save_weights

Clip = Callable[[int], np.ndarray]

SIDE_BY_SIDE = """\
      short: {generate: decoder, inputs: {memory: frames.states}, with: {max_tokens: 3}}
      long: {generate: decoder, inputs: {memory: frames.states},
        with: {max_tokens: 5, search: {uses: mplug2.beam, with: {beams: 2}}}}
    outputs: {short: short.text, long: long.text, score: long.score}
"""
CHAINED = """\
      short: {generate: decoder, inputs: {memory: frames.states}, with: {max_tokens: 3}}
      again: {call: read, inputs: short.ids}
      memory: {uses: core.concat, inputs: {first: frames.states, second: again}}
      long: {generate: decoder, inputs: {memory: memory.states},
        with: {max_tokens: 5, search: {uses: mplug2.beam, with: {beams: 2}}}}
      last: {call: read, inputs: long.ids}
      vector: {uses: core.pool, inputs: last}
    outputs: {short: short.text, long: long.text, score: long.score, vector: vector}
"""


def document(folder: Path, small: Any, nodes: str) -> Path:
    """The task `both` over the modules of the small document."""
    (folder / "words.txt").write_bytes(small.document.with_name("words.txt").read_bytes())
    modules = small.document.read_text().partition("tasks:\n")[0]
    path = folder / "both.yaml"
    path.write_text(
        f"{modules}  read: {{uses: toy.read, with: {{width: 16}}}}\n"
        "tasks:\n  both:\n    inputs: {video: {modality: video, with: {frames: 2, size: 8}}}\n"
        "    nodes:\n      frames: {call: vision, inputs: {pixels: video.pixels}}\n"
        f'{nodes}    compile: {{ranges: {{batch: "1..2"}}}}\n'
    )
    return path


def compiled(folder: Path, small: Any, nodes: str) -> tuple[Path, Model, Path]:
    """The document, its live model and its artifact."""
    path = document(folder, small, nodes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = load(path, weights="initial", registry=toy_registry())
    own = dict(small.model.modules)
    for name, module in model.modules.items():
        if name in own:
            module.load_state_dict(own[name].state_dict())
    save_weights(model.modules, folder / "weights.safetensors")
    target = folder / "artifact"
    composer_compile.compile_document(
        path, target, weights=folder / "weights.safetensors", registry=toy_registry()
    )
    return path, model, target


@pytest.fixture(scope="module", params=[SIDE_BY_SIDE, CHAINED], ids=["side by side", "chained"])
def both(
    small: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Model, Path]:
    return compiled(tmp_path_factory.mktemp("both"), small, request.param)


def test_the_plan_names_every_node_of_every_search(both: tuple[Path, Model, Path]) -> None:
    plan = plan_document(both[0], registry=toy_registry())
    names = [stage.name for stage in plan.tasks[0].stages]
    for node in ("short", "long"):
        assert names.count(f"{node}.start") == names.count(f"{node}.decode") == 1
    assert "not compiled" not in names
    nodes = {node.name for stage in plan.tasks[0].stages for node in stage.nodes}
    assert nodes >= set(both[1].report.tasks["both"].nodes)


def test_the_artifact_answers_as_the_live_model(both: tuple[Path, Model, Path], clip: Clip) -> None:
    _, model, target = both
    registry: Registry = toy_registry()
    with composer_compile.load(target, registry=registry) as artifact:
        for given in (clip(1), [clip(2), clip(3)]):
            found, expected = artifact.run(video=given), model.run(video=given)
            assert found["short"] == expected["short"]
            assert found["long"] == expected["long"]
            for name in expected.keys() - {"short", "long"}:
                torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-5)
        assert model.run(video=clip(2))["score"] != model.run(video=clip(3))["score"]
        verified = verify_samples(artifact)
        assert all(each.passed for each in verified)
        assert {"short.ids", "long.ids"} <= {found.output for found in verified[0].differences}
        parity = artifact.manifest.parity["both"]
        assert {"short.ids", "long.ids"} <= {each.output for each in parity.differences}


def test_every_program_is_compared_on_live_inputs(both: tuple[Path, Model, Path]) -> None:
    """The programs after a search as well: each on what the live search gave."""
    with composer_compile.load(both[2], registry=toy_registry()) as artifact:
        manifest = artifact.manifest
    compared = {each.output for each in manifest.parity["both"].differences}
    for part in manifest.tasks["both"].order:
        if isinstance(part, GenerateEntry):
            assert f"{part.node}.logits" in compared
        else:
            assert isinstance(part, StageEntry)
            assert {each.name.partition(".cache.")[0] for each in part.outputs} & {
                each.removesuffix(".cache") for each in compared
            }


def test_the_commands_take_it(
    small: Any, tmp_path: Path, clip: Clip, capsys: pytest.CaptureFixture[str]
) -> None:
    path = document(tmp_path, small, SIDE_BY_SIDE)
    path.write_text(path.read_text().replace("  read: {uses: toy.read, with: {width: 16}}\n", ""))
    assert main(["compile", str(path), "--plan", "--json"]) == 0
    assert "decode-2" not in capsys.readouterr().out
    target = tmp_path / "out"
    assert main(["compile", str(path), "--weights", "initial", "--out", str(target)]) == 0
    assert main(["verify", str(target)]) == 0
    np.save(tmp_path / "clip.npy", clip(1))
    capsys.readouterr()
    assert main(["run", str(target), f"video={tmp_path / 'clip.npy'}", "--json"]) in (0, 1)
    printed = capsys.readouterr()
    assert not printed.out or set(json.loads(printed.out)) == {"short", "long", "score"}
