"""The script that runs the tests of a GPU: every test is in one of its parts, and it starts without other plugins."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "gpu" / "run.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_every_test_of_a_gpu_is_in_one_part() -> None:
    done = run("--collect")
    assert done.returncode == 0, done.stderr
    listed = re.findall(r"^tests/gpu/\S+", done.stdout, re.MULTILINE)
    every = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-n", "0", "tests/gpu"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert sorted(listed) == sorted(re.findall(r"^tests/gpu/\S+", every.stdout, re.MULTILINE))
    assert len(listed) > 10


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_gpu_it_is_one_sentence() -> None:
    done = run()
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "finds no CUDA device" in done.stderr


def test_an_unknown_part_is_refused() -> None:
    done = run("--parts", "magic")
    assert done.returncode == 2
    assert "magic" in done.stderr
