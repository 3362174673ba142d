"""The promise that a plugin's entry module is light: no torch, and soon imported."""

from __future__ import annotations

import json
import subprocess
import sys

from composer.conformance.report import Failure
from composer.problems.endings import ending_of

__all__ = ["check_entry_module"]

HEAVY = ("torch", "torchvision", "torchaudio", "transformers", "tensorflow", "jax")
BUDGET_S = 1.0
RUNS = 3

_PROBE = """
import json, sys, time
sys.path[:] = json.loads(sys.argv[2])
import composer.plugin
before = time.perf_counter()
module = __import__(sys.argv[1], fromlist=["_"])
seconds = time.perf_counter() - before
print("\\nfound " + json.dumps([seconds, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def check_entry_module(module_name: str) -> str:
    """Import the module in fresh processes; the best of a few runs counts."""
    times = []
    for _ in range(RUNS):
        arguments = [sys.executable, "-c", _PROBE, module_name, json.dumps(sys.path)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        if done.returncode:
            cause = (done.stderr.strip().splitlines() or [ending_of(done.returncode)])[-1]
            raise Failure(f"importing {module_name} fails in a fresh process: {cause}")
        seconds, modules = json.loads(done.stdout.rpartition("found ")[2])
        heavy = [name for name in HEAVY if name in modules]
        if heavy:
            raise Failure(
                f"importing {module_name} imports {', '.join(heavy)}; name implementations as "
                '"package.module:Name" and import them nowhere else'
            )
        times.append(seconds)
        if seconds <= BUDGET_S:
            break
    best = min(times)
    if best > BUDGET_S:
        raise Failure(
            f"importing {module_name} takes {best:.1f} s, which every command pays; at most {BUDGET_S:g} s"
        )
    return f"imports no torch; {best * 1000:.0f} ms after composer itself"
