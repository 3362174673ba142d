"""The tests of a GPU, in parts, the most telling first: each in a pytest of its own; a crash ends that one alone.

    python tests/gpu/run.py                 # all that has not passed yet, within 8 minutes
    python tests/gpu/run.py --parts train   # live, export, inductor, tensorrt, train
    python tests/gpu/run.py --fresh         # what has passed as well

What has passed is kept in `.gpu-tests.json` beside this file, for the commit and the torch that it passed with. It
needs what `benchmarks/gpu/run.py` needs, and pytest with whatever plugins.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KEPT = HERE / ".gpu-tests.json"
PARTS = {
    "live": ["test_gpu_parity.py", "-k", "not artifact"],
    "export": ["test_gpu_parity.py", "-k", "artifact"],
    "inductor": ["test_gpu_backends.py", "-k", "inductor"],
    "tensorrt": ["test_gpu_backends.py", "-k", "not inductor"],
    "train": ["test_gpu_training.py"],
}
"""Part → what pytest is given. Every test is in one of them."""
NOTHING_RAN = 5


def main(arguments: list[str] | None = None) -> int:
    given = _arguments(arguments)
    import torch

    if not torch.cuda.is_available() and not given.collect:
        print(f"torch {torch.__version__} finds no CUDA device here", file=sys.stderr)
        return 2
    made_with = {"commit": _commit(), "torch": version("torch")}
    kept = json.loads(KEPT.read_text()) if KEPT.is_file() and not given.fresh else {}
    passed = kept.get("passed", []) if {**kept, "passed": None} == {**made_with, "passed": None} else []
    told, ends_at = {}, time.monotonic() + given.budget_s
    for part in given.parts:
        if part in passed and not given.collect:
            told[part] = "passed before"
            continue
        told[part] = _run(part, ends_at - time.monotonic(), collect=given.collect)
        if told[part] == "passed" and not given.collect:
            passed = [*passed, part]
            KEPT.write_text(json.dumps({**made_with, "passed": passed}))
    for part, outcome in told.items():
        print(f"{part}: {outcome}", file=sys.stderr)
    return 0 if all(outcome.startswith("passed") for outcome in told.values()) else 1


def _run(part: str, left_s: float, *, collect: bool) -> str:
    """How the tests of a part ended, in a word or two."""
    if left_s < 1:
        return "not reached: call it again"
    print(f"{part} ({left_s:.0f} s left) ...", file=sys.stderr, flush=True)
    file, *chosen = PARTS[part]
    options = ["-c", str(HERE / "alone.ini"), "--rootdir", str(ROOT), "--confcutdir", str(ROOT / "tests")]
    command = [sys.executable, "-X", "faulthandler", "-m", "pytest", *options, str(HERE / file), *chosen]
    path = os.pathsep.join(each for each in (str(ROOT), os.environ.get("PYTHONPATH", "")) if each)
    try:
        done = subprocess.run(
            [*command, *(["--collect-only"] if collect else [])],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
            timeout=left_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "stopped when the budget was spent"
    if done.returncode in (0, NOTHING_RAN):
        return "passed"
    from composer.problems.endings import ending_of

    return f"failed ({ending_of(done.returncode)})"


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The tests of a GPU, in parts.")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--budget-s", type=float, default=460)
    parser.add_argument("--fresh", action="store_true", help="run what has passed before as well")
    parser.add_argument("--collect", action="store_true", help="list the tests of each part, and run none")
    return parser.parse_args(arguments)


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


if __name__ == "__main__":
    raise SystemExit(main())
