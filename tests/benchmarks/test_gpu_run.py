"""The GPU script at toy sizes on the processor: its JSON and table agree, and nothing that is missing ends it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pretended import pretended_cuda

from benchmarks.by_hand import TINY
from benchmarks.gpu import job
from benchmarks.gpu.page import page
from benchmarks.gpu.plan import groups

ROOT = Path(__file__).parents[2]
CONTENDERS = ("eager", "full-prefixes", "export", "tensorrt")
BATCHES = (1, 2)


def run(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    script = ["-c", code] if code else [str(ROOT / "benchmarks" / "gpu" / "run.py")]
    command = [sys.executable, *script, "--tiny", "--device", "cpu", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    out = tmp_path_factory.mktemp("gpu")
    batches = ("--batches", *map(str, BATCHES))
    done = run("--precisions", "fp32", *batches, "--contenders", *CONTENDERS, "--out", str(out))
    assert done.returncode == 0, done.stderr
    return json.loads((out / "results.json").read_text()), (out / "results.md").read_text()


@pytest.mark.slow
def test_every_cell_is_there_with_numbers_or_a_reason(results: tuple[dict[str, Any], str]) -> None:
    cells = results[0]["cells"]
    asked = {(name, "fp32", batch) for name in CONTENDERS for batch in BATCHES}
    assert {(c["contender"], c["precision"], c["batch"]) for c in cells} == asked
    assert len(cells) == len(asked)
    for cell in cells:
        if cell["status"] == "measured":
            assert set(cell["stages"]) == {"encode", "decode step", "whole answer"}
            assert all(number > 0 for stage in cell["stages"].values() for number in stage.values())
        else:
            assert cell["reason"]
    measured = {cell["contender"] for cell in cells if cell["status"] == "measured"}
    assert measured >= {"eager", "full-prefixes", "export"}


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
        "weights": str(tmp_path / "random.safetensors"),
    }
    with pretended_cuda():
        assert job.main([json.dumps({**given, "kind": "setup"})]) == 0
        (setup,) = map(json.loads, capsys.readouterr().out.splitlines())
        own = {key: setup[key] for key in ("length", "image_size")}
        more = {"kind": kind, "contenders": contenders, "precision": "bf16"}
        assert job.main([json.dumps({**given, **own, **more})]) == 0
    findings = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each.get("contender"), each.get("batch")) for each in findings] == [
        (name, batch) for batch in BATCHES for name in contenders
    ]
    assert not any("failed" in each for each in findings)


@pytest.mark.slow
def test_all_ways_give_the_same_ids(results: tuple[dict[str, Any], str]) -> None:
    by_batch: dict[int, list[Any]] = {batch: [] for batch in BATCHES}
    for cell in results[0]["cells"]:
        if cell["status"] == "measured":
            assert cell["parity"]["ids_as_eager"] == 1
            by_batch[cell["batch"]].append(cell["ids"])
    for batch, found in by_batch.items():
        assert len(found) >= 3
        assert all(ids == found[0] for ids in found)
        # The start token and answers of ten tokens, as the settings say.
        assert [len(ids) for ids in found[0]] == [1 + results[0]["settings"]["answer_max_tokens"]] * batch


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
    assert "Random initial weights" in table


def test_what_has_no_time_left_says_so(tmp_path: Path) -> None:
    done = run("--budget-s", "0", "--contenders", "eager", "--out", str(tmp_path))
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


def test_an_unknown_way_is_refused(tmp_path: Path) -> None:
    done = run("--contenders", "magic", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "magic" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_live_model_comes_before_what_is_compared_with_it() -> None:
    planned = groups(["export", "eager", "full-prefixes"], ["bf16", "fp16"], [1])
    assert [(group.contenders, group.precision) for group in planned] == [
        (("eager", "full-prefixes"), "bf16"),
        (("eager", "full-prefixes"), "fp16"),
        (("export",), "bf16"),
        (("export",), "fp16"),
    ]
