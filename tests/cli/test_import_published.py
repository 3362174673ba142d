"""`composer import` of checkpoints of mPLUG-2: the exact published keys at tiny widths, whole, resumed and refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from mplug2_cases import golden_path
from safetensors.torch import load_file

from composer.execution import load
from composer.execution.filling import modules_to_fill
from composer.plugin import load_registry
from composer.weights import convert, converting, read_checkpoint
from composer.weights.onto_modules import Onto
from composer.weights.resumed_folder import part_of
from composer.weights.saving import save_tensors

SIZES = {
    1024: 64,
    4096: 256,
    3072: 192,
    512: 32,
    257: 5,
    768: 8,
    49408: 20,
    77: 6,
    2304: 24,
}
"""A size of the published checkpoint to a small one; others stay."""
CONFIG = {
    "bert": {
        "hidden_size": 64,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "num_hidden_layers": 24,
        "text_encoder_layers": 24,
        "num_uni_layer": 2,
        "fusion_layers": 6,
        "stride_layer": 1000,
        "text_decode_layers": 12,
        "vocab_size": 30522,
        "max_position_embeddings": 32,
        "type_vocab_size": 2,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
    },
    "clip": {"patch": 14, "vision_width": 64, "vision_layers": 24},
    "model": {"image_res": 28},
}


def published(name: str = "large_videoqa") -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    listed = json.loads(golden_path("state_dict_layout.json").read_text(encoding="utf-8"))[name]
    for key, shape, layers in listed:
        small = [SIZES.get(size, size) for size in shape]
        for number in [None] if layers is None else range(layers[0], layers[1] + 1):
            tensors[key if number is None else key.format(number)] = torch.randn(small, generator=generator)
    words = "text_decoder.bert.embeddings.word_embeddings.weight"
    tensors["text_decoder.cls.predictions.decoder.weight"] = tensors[words]
    for key in list(tensors):
        if key.endswith("position_ids"):
            tensors[key] = torch.arange(tensors[key].numel()).reshape(tensors[key].shape)
    return tensors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("published")
    torch.save({"model": published(), "epoch": 3}, made / "qa.pth")
    (made / "config.json").write_text(json.dumps(CONFIG))
    return made


def test_the_published_keys_become_a_folder_that_loads_as_the_checkpoint_does(
    composer, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "made"
    options = ("--layout", "mplug2", "--config", folder / "config.json", "--set", "rank_top=2")
    done = composer("import", folder / "qa.pth", *options, "--out", out)
    assert (done.code, done.err) == (0, "")
    account = json.loads((out / "account.json").read_text())
    assert set(account) == set(published())
    assert all(len(entry) == 1 for entry in account.values())
    left = [key for key, entry in account.items() if "left out" in entry]
    assert f"left out: {len([k for k in left if 'fusion layer' in account[k]['left out']])} (" in done.out
    made = load_file(out / "model.safetensors")
    assert {entry["as"] for entry in account.values() if "as" in entry} == set(made)
    settings = {"rank_top": 2}
    direct = load(
        "mplug2",
        weights=folder / "qa.pth",
        layout="mplug2",
        config=CONFIG,
        settings=settings,
        tasks="video-qa",
    )
    again = load(out / "model.yaml", weights=out, tasks="video-qa")
    for name, module in direct.modules.items():
        ours = again.modules[name].state_dict()
        assert all(torch.equal(value, ours[key]) for key, value in module.state_dict().items())


@pytest.mark.slow
def test_words_that_training_put_before_every_key_are_taken_off(
    composer, folder: Path, tmp_path: Path
) -> None:
    wrapped = {f"module.{key}": value for key, value in published().items()}
    torch.save({"model": wrapped}, tmp_path / "wrapped.pth")
    options = ("--layout", "mplug2", "--config", folder / "config.json", "--set", "rank_top=2")
    for path, out in ((folder / "qa.pth", "plain"), (tmp_path / "wrapped.pth", "unwrapped")):
        done = composer("import", path, *options, "--out", tmp_path / out)
        assert done.code == 0, done.err
    account = json.loads((tmp_path / "unwrapped" / "account.json").read_text())
    assert set(account) == set(wrapped)
    plain, made = (load_file(tmp_path / out / "model.safetensors") for out in ("plain", "unwrapped"))
    assert plain.keys() == made.keys()
    assert all(torch.equal(value, made[key]) for key, value in plain.items())


@pytest.fixture(scope="module")
def where() -> Onto:
    registry = load_registry()
    layout = registry.layouts["mplug2"]
    report, modules = modules_to_fill("mplug2", registry, layout, CONFIG, {"rank_top": 2})
    return Onto(modules, layout, dict(report.document.parameters), tuple(report.modules))


def test_what_was_stopped_goes_on_and_writes_no_file_twice(
    folder: Path, where: Onto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"onto": where, "most_bytes": 9_000_000}
    layout = where.layout
    checkpoint = read_checkpoint(folder / "qa.pth", roots=layout.roots)
    convert(checkpoint, layout, tmp_path / "whole", **options)
    names: list[str] = []

    def stop(tensors: dict[str, torch.Tensor], path: Path) -> None:
        if len(names) == 2:
            raise KeyboardInterrupt
        names.append(path.name)
        save_tensors(tensors, path)

    def go_on(tensors: dict[str, torch.Tensor], path: Path) -> None:
        names.append(path.name)
        save_tensors(tensors, path)

    monkeypatch.setattr(converting, "save_tensors", stop)
    with pytest.raises(KeyboardInterrupt):
        convert(checkpoint, layout, tmp_path / "parts", **options)
    assert not (tmp_path / "parts").exists()
    monkeypatch.setattr(converting, "save_tensors", go_on)
    convert(checkpoint, layout, tmp_path / "parts", **options)
    assert len(names) == len(set(names)) > 3
    assert not part_of(tmp_path / "parts").exists()
    whole, parts = read_checkpoint(tmp_path / "whole"), read_checkpoint(tmp_path / "parts")
    assert set(whole) == set(parts)
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_what_a_run_of_another_checkpoint_left_is_not_gone_on_with(
    folder: Path, where: Onto, tmp_path: Path
) -> None:
    part = part_of(tmp_path / "made")
    part.mkdir()
    (part / "written.json").write_text('{"wanted": "other", "files": [[["vision.positions"], 3]]}')
    (part / "model-00001.safetensors").write_bytes(b"nothing")
    done = convert(
        read_checkpoint(folder / "qa.pth", roots=("model",)), where.layout, tmp_path / "made", onto=where
    )
    assert "vision.positions" in read_checkpoint(tmp_path / "made")
    assert done.written == len(read_checkpoint(tmp_path / "made"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "the document has other sizes or other modules"),
        (["--set", "hiden=3"], "hidden"),
    ],
)
def test_what_does_not_fit_is_told_at_once_and_leaves_nothing(
    composer, folder: Path, tmp_path: Path, options: list[str], says: str
) -> None:
    done = composer("import", folder / "qa.pth", "--layout", "mplug2", *options, "--out", tmp_path / "made")
    assert done.code == 1
    assert says in done.err
    assert list(tmp_path.iterdir()) == []
    if not options:
        whole = composer(
            *(
                "import",
                folder / "qa.pth",
                "--layout",
                "mplug2",
                "--out",
                tmp_path / "made",
                "--loading-report",
            )
        )
        assert "--loading-report lists them all" in done.err
        assert len(whole.err.splitlines()) > 2 * len(done.err.splitlines())


def test_a_config_without_a_layout_is_one_sentence(composer, folder: Path, tmp_path: Path) -> None:
    done = composer(
        "import", folder / "qa.pth", "--config", folder / "config.json", "--out", tmp_path / "made"
    )
    assert done.code == 1
    assert "--config says what a layout fills" in done.err


IMPORTING = """
import sys, time
from composer.cli import main
from composer.weights import converting

real = converting.save_tensors
def told(tensors, path):
    print("begun", path.name, file=sys.stderr, flush=True)
    real(tensors, path)
    print("written", path.name, file=sys.stderr, flush=True)
    time.sleep(0.02)
converting.save_tensors = told
converting.convert.__kwdefaults__["most_bytes"] = 9_000_000
sys.exit(main(sys.argv[1:]))
"""
"""The command, with files small enough that there are several, and a line where each begins and ends."""


@pytest.mark.slow
def test_a_kill_at_any_moment_costs_what_was_begun_alone(folder: Path, tmp_path: Path) -> None:
    """`kill -9` while a file is written and between two of them, again and again; the end is the same."""

    def start(out: Path) -> subprocess.Popen[str]:
        words = ["import", str(folder / "qa.pth"), "--layout", "mplug2", "--out", str(out)]
        words += ["--config", str(folder / "config.json"), "--set", "rank_top=2"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", IMPORTING, *words]
        return subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    whole = start(tmp_path / "whole")
    _, told = whole.communicate(timeout=300)
    assert whole.returncode == 0, told
    files = [line for line in told.splitlines() if line.startswith("written ")]
    assert len(files) > 3
    out, written = tmp_path / "killed", list[str]()
    for stop in ("begun", "written", "begun"):
        process = start(out)
        assert process.stderr is not None
        for line in process.stderr:
            written += [line] * line.startswith("written ")
            if line.startswith(stop):
                process.kill()
                break
        process.wait(timeout=60)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not out.exists()
    process = start(out)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    written += [f"{line}\n" for line in told.splitlines() if line.startswith("written ")]
    assert len({*written}) == len(files)
    assert len(written) <= len(files) + 1, "what was whole when it was killed is not written again"
    assert not part_of(out).exists()
    first, second = read_checkpoint(tmp_path / "whole"), read_checkpoint(out)
    assert {*first} == {*second}
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert (out / "account.json").read_bytes() == (tmp_path / "whole" / "account.json").read_bytes()
