"""The GPU script at toy sizes on the processor: its JSON and table agree, and nothing that is missing ends it."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from composer_compile.tensors.differences import TOLERANCES
from pretended import captures, pretended_cuda

from benchmarks.by_hand import TINY
from benchmarks.gpu import job
from benchmarks.gpu.page import page
from benchmarks.gpu.plan import planned
from benchmarks.gpu.preparing import request
from benchmarks.gpu.results import Results
from benchmarks.gpu.sure import MARGIN, make_sure, margins, sure_answer
from composer.execution import load
from composer.weights import save_weights

ROOT = Path(__file__).parents[2]
PARTS = ("live", "export", "tensorrt", "prefixes", "batches")
CONTENDERS = ("eager", "full-prefixes", "export", "tensorrt")
BATCHES = (1, 2)
FAST = ("--precisions", "fp32", "--batches", *map(str, BATCHES), "--parts")


def run(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    script = ["-c", code] if code else [str(ROOT / "benchmarks" / "gpu" / "run.py")]
    command = [sys.executable, *script, "--tiny", "--device", "cpu", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of two calls: the second one goes on where the first one ended."""
    folder = tmp_path_factory.mktemp("gpu")
    for parts in (["live"], PARTS):
        done = run(*FAST, *parts, "--out", str(folder), "--commit", "none")
        assert done.returncode == 0, done.stderr
        assert ("live: eager, fp32" in done.stderr) == (parts == ["live"])
    return folder


@pytest.fixture(scope="module")
def results(out: Path) -> tuple[dict[str, Any], str]:
    return json.loads((out / "results.json").read_text()), (out / "results.md").read_text()


@pytest.mark.slow
def test_every_cell_is_there_with_numbers_or_a_reason(results: tuple[dict[str, Any], str]) -> None:
    cells = results[0]["cells"]
    by_key = {(c["contender"], c["precision"], c["batch"]): c for c in cells}
    asked = {(name, "fp32", batch) for name in CONTENDERS for batch in BATCHES}
    assert by_key.keys() >= asked
    assert len(cells) == len(by_key)
    for cell in cells:
        if cell["status"] == "measured":
            assert set(cell["stages"]) == {"encode", "decode step", "whole answer"}
            assert all(number > 0 for stage in cell["stages"].values() for number in stage.values())
        else:
            assert cell["reason"]
    measured = {cell["contender"] for cell in cells if cell["status"] == "measured"}
    assert measured == {"eager", "full-prefixes", "export"}
    why = "no GPU to build for" if find_spec("torch_tensorrt") else "needs Torch-TensorRT"
    assert why in by_key["tensorrt", "fp32", 1]["reason"]
    assert by_key["tensorrt", "fp32", 2]["reason"] == "it was not measured at a batch of 1"


@pytest.mark.slow
def test_what_was_measured_is_kept(out: Path, results: tuple[dict[str, Any], str]) -> None:
    done = run(*FAST, "live", "export", "--out", str(out), "--commit", "none")
    assert done.returncode == 0
    assert "nothing is missing" in done.stderr
    other = run(*FAST, "live", "--out", str(out), "--commit", "another")
    assert other.returncode == 2
    assert "another commit" in other.stderr
    assert "--fresh" in other.stderr
    assert json.loads((out / "results.json").read_text()) == results[0]


@pytest.mark.slow
def test_every_answer_is_the_sure_one_and_drift_is_judged(results: tuple[dict[str, Any], str]) -> None:
    found, table = results
    assert found["margin"] >= MARGIN * 0.999
    measured = [cell for cell in found["cells"] if cell["status"] == "measured"]
    for cell in measured:
        assert cell["ids"] == [found["sure"]] * cell["batch"]
        assert cell["parity"]["ids"] == 1
        assert cell["parity"]["met"]
        assert cell["parity"]["drift"] <= cell["parity"]["tolerance"] == TOLERANCES["fp32"]
        # The start token and answers of ten tokens, as the settings say.
        assert len(found["sure"]) == 1 + found["settings"]["answer_max_tokens"]
    assert table.count(" met |") == len(measured)
    missed = copy.deepcopy(found)
    for cell in missed["cells"]:
        cell["parity"] = {"ids": 0.5, "drift": 0.2, "tolerance": 0.1, "met": False}
    assert page(missed).count("| 50% MISSED | 0.2 of 0.1 MISSED |") == len(measured)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "contenders"), [("live", ["eager", "full-prefixes"]), ("artifact", ["export"])]
)
def test_the_jobs_run_on_a_device(
    kind: str, contenders: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pretended one, in this process: what they measure means nothing, but nothing is on the wrong device."""
    given = {
        "document": "mplug2",
        "settings": dict(TINY),
        "device": "cuda",
        "precisions": ["bf16"],
        "batches": BATCHES,
        "tiny": True,
        "rounds": 1,
        "folder": str(tmp_path),
    }
    with pretended_cuda(), captures():
        assert job.main([json.dumps({**given, "kind": "setup"})]) == 0
        (setup,) = map(json.loads, capsys.readouterr().out.splitlines())
        own = {key: setup[key] for key in ("length", "image_size", "sure")}
        more = {"kind": kind, "contenders": contenders, "precision": "bf16", "ranges": BATCHES}
        assert job.main([json.dumps({**given, **own, **more})]) == 0
    findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each.get("contender"), each.get("batch")) for each in findings] == [
        (name, batch) for batch in BATCHES for name in contenders
    ]
    assert not any("failed" in each for each in findings)
    assert all(each["parity"]["ids"] == 1 and each["parity"]["met"] for each in findings)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 3])
def test_the_margin_is_there_at_every_step_and_bfloat16_gives_the_same_ids(
    batch: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        exact = load("mplug2", weights="initial", settings=TINY, tasks=["video-qa"])
        ((generator, memory),) = [_memory(exact, batch)]
        answer = sure_answer(generator)
        assert float(margins(generator, memory, answer).min()) < 0  # random weights give another answer
        make_sure(generator, [memory], answer)
        assert float(margins(generator, memory, answer).min()) >= MARGIN * 0.999
        save_weights(exact.modules, tmp_path / "weights.safetensors")
        path = tmp_path / "weights.safetensors"
        low = load("mplug2", weights=path, settings=TINY, tasks=["video-qa"], dtype="bfloat16")
        other, rounded = _memory(low, batch)
        assert float(margins(other, rounded, answer).min()) >= MARGIN / 2
    raw = request(TINY["image_size"], batch)
    texts = [model.run("video-qa", **raw)["answer"] for model in (exact, low)]
    assert (
        texts[0]
        == texts[1]
        == [exact.runner("video-qa").generators["answer"].tokenizer.decode(answer)] * batch
    )


def _memory(model: Any, batch: int) -> tuple[Any, Any]:
    runner = model.runner("video-qa")
    tensors, _ = runner.inputs.encode(request(TINY["image_size"], batch), torch.device("cpu"))
    (generator,) = runner.generators.values()
    return generator, generator.step.read(runner.program(tensors))


@pytest.mark.slow
def test_flops_and_bytes_follow_from_the_costs(results: tuple[dict[str, Any], str]) -> None:
    found = results[0]
    for cell in found["cells"]:
        for name, stage in cell["stages"].items():
            assert stage["flops_per_s"] * stage["seconds"] == pytest.approx(
                found["flops"][str(cell["batch"])][name]
            )
        if cell["status"] == "measured":
            encode = cell["stages"]["encode"]
            weights = 4 * (sum(found["parameters"].values()) - found["parameters"]["decoder"])
            assert encode["bytes_per_s"] * encode["seconds"] == pytest.approx(weights)
    assert found["flops"]["2"]["whole answer"] > found["flops"]["1"]["whole answer"]


@pytest.mark.slow
def test_the_table_is_written_from_the_json(results: tuple[dict[str, Any], str]) -> None:
    found, table = results
    assert table == page(found)
    rows = [line for line in table.splitlines() if "| fp32 |" in line]
    assert len(rows) == len(found["cells"])
    assert "Random weights" in table


def test_what_has_no_time_left_says_so(tmp_path: Path) -> None:
    done = run("--budget-s", "0", "--parts", "live", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "results.json").read_text())["cells"]
    assert cells
    assert all("budget of 0 s" in cell["reason"] and cell["status"] == "skipped" for cell in cells)


@pytest.mark.parametrize("package", ["pydantic", "yaml", "av"])
def test_a_missing_package_is_one_sentence(package: str, tmp_path: Path) -> None:
    code = (
        "import importlib.util as u, sys\nfound = u.find_spec\n"
        f"u.find_spec = lambda name, *rest: None if name == {package!r} else found(name, *rest)\n"
        "from benchmarks.gpu.run import main\nsys.exit(main())"
    )
    done = run("--out", str(tmp_path / "out"), code=code)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert {"yaml": "PyYAML"}.get(package, package) in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    done = run("--parts", "magic", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "magic" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_live_model_comes_before_what_is_compared_with_it() -> None:
    groups = planned(["batches", "export", "live"], ["export", "inductor"], ["bf16"], [1, 4])
    assert [(group.part, group.contenders, [cell.batch for cell in group.cells]) for group in groups] == [
        ("live", ("eager",), [1]),
        ("export", ("export",), [1]),
        ("batches", ("eager", "full-prefixes"), [4, 4]),
        ("batches", ("export",), [4]),
        ("batches", ("inductor",), [4]),
        ("batches", ("fused",), [4]),
        ("batches", ("torch-compile",), [4]),
    ]


def test_what_was_never_reached_comes_before_what_failed(tmp_path: Path) -> None:
    about = dict.fromkeys(("document", "task", "settings", "weights", "device", "commit"), "same")
    about["settings"] = {}  # type: ignore[assignment]
    groups = planned(["live", "export", "inductor"], ["export", "inductor"], ["bf16"], [1])
    first = Results(tmp_path, about)
    first.plan(groups)
    first.close(groups[1], "failed", "it fell")
    first.close(groups[0], "measured", "")
    found = [cell.to_json() for cell in first.cells]
    (tmp_path / "results.json").write_text(json.dumps({**about, "cells": found, "sections": []}))
    again = Results(tmp_path, about)
    assert again.resume() is None
    assert [
        group.part
        for group in again.plan(
            planned(["live", "export", "inductor"], ["export", "inductor"], ["bf16"], [1])
        )
    ] == [
        "inductor",
        "export",
    ]


@pytest.mark.slow
def test_a_training_step_has_a_row_per_precision(tmp_path: Path) -> None:
    done = run("--batches", "2", "--parts", "train", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (section,) = json.loads((tmp_path / "results.json").read_text())["sections"]
    assert section["status"] == "measured", section["reason"]
    assert [row["precision"] for row in section["rows"]] == ["fp32", "bf16"]
    for row in section["rows"]:
        assert row["met"]
        assert row["losses"][0] > row["losses"][-1] > 0
        assert row["flops_per_s"] > 0
    assert section["rows"][1]["loss_max_rel"] > 0  # it did compute in bfloat16
    assert (tmp_path / "results.md").read_text().count(" met |") == 2
