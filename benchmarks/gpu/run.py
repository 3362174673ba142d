"""Parity, latency and memory of mPLUG-2 (large), video-qa, on a GPU, for every way to run it.

    python benchmarks/gpu/run.py                      # an H100, bf16 and fp16, batch 1, 4 and 16: under 8 minutes
    python benchmarks/gpu/run.py --tiny --device cpu  # to see that it works

Writes `results.json` and `results.md` after every finding, and says on stderr what it is doing. What fails, or has no
time left (`--budget-s`), has its reason in its row. Weights are random.

It needs torch with CUDA, the packages of pyproject.toml, and this project installed for the same Python
(`python -m pip install --no-deps .`). On a machine without a network, carry wheels made for its Python:

    python -m pip wheel --no-deps -w wheels . ; python -m pip download --no-deps -d wheels pydantic ...   # elsewhere
    python -m pip install --no-index --no-deps --target site wheels/*.whl                                 # there
    python benchmarks/gpu/run.py --packages site

`--packages` takes the site-packages folder of a virtual environment as well.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.gpu.needs import missing  # noqa: E402 (the path above comes first)
from benchmarks.gpu.plan import LIVE, groups  # noqa: E402
from benchmarks.gpu.processes import Clock, findings  # noqa: E402
from benchmarks.gpu.results import Results  # noqa: E402

__all__ = ["main"]

LARGE = {"frames": 16, "beams": 5, "answer_min_tokens": 10, "answer_max_tokens": 10}
PRECISIONS = ("fp32", "bf16", "fp16")


def main(arguments: list[str] | None = None) -> int:
    given = _arguments(arguments)
    if given.packages:
        sys.path.insert(0, given.packages)
    lacking = missing(given.device)
    if lacking is not None:
        print(lacking, file=sys.stderr)
        return 2
    from composer.plugin import load_registry

    known = (*LIVE, *load_registry().backends)
    contenders = given.contenders or list(known)
    unknown = [name for name in contenders if name not in known]
    if unknown:
        print(
            f"there is no way to run called {', '.join(unknown)} (known: {', '.join(known)})", file=sys.stderr
        )
        return 2
    planned = groups(contenders, given.precisions, given.batches)
    job = {
        "document": "mplug2",
        "settings": _settings(tiny=given.tiny),
        "device": given.device,
        "precisions": given.precisions,
        "batches": given.batches,
        "tiny": given.tiny,
        "rounds": 2 if given.tiny else 10,
    }
    about = {
        "document": "mplug2",
        "task": "video-qa",
        "weights": "Random initial weights (seed 0): the answers mean nothing, and all have the same length",
        "device": given.device,
        "settings": job["settings"],
        "tokens": job["settings"]["answer_max_tokens"],
        "commit": given.commit or _commit(),
    }
    results = Results(given.out, about, [cell for group in planned for cell in group.cells])
    with tempfile.TemporaryDirectory() as folder:
        _measure(results, planned, {**job, "weights": str(Path(folder, "random.safetensors"))}, given)
    print(f"written: {given.out / 'results.json'} and results.md", file=sys.stderr)
    return 0


def _measure(results: Results, planned: Any, job: dict[str, Any], given: argparse.Namespace) -> None:
    clock = Clock(given.budget_s)
    results.write()
    for finding in findings({**job, "kind": "setup"}, "preparing", clock, given.packages):
        if "failed" in finding or "skipped" in finding:
            status = "failed" if "failed" in finding else "skipped"
            for group in planned:
                results.close(group, status, f"preparing {status}: {finding[status]}")
        else:
            results.setup = finding
        results.write()
    for group in planned:
        if not results.setup:
            break
        kind = "live" if group.contenders[0] in LIVE else "artifact"
        own = {**job, "kind": kind, "contenders": group.contenders, "precision": group.precision}
        own |= {key: results.setup[key] for key in ("length", "image_size")}
        for finding in findings(own, group.name, clock, given.packages):
            if finding.get("skipped"):
                results.close(group, "skipped", finding["skipped"])
            else:
                results.add(group, finding)
            results.write()


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="mPLUG-2 (large) on a GPU: parity, latency, memory.")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu (default: cuda)")
    parser.add_argument("--tiny", action="store_true", help="toy sizes, to see that the script works")
    parser.add_argument(
        "--precisions",
        nargs="+",
        choices=PRECISIONS,
        default=["bf16", "fp16"],
        metavar="P",
        help="fp32, bf16, fp16",
    )
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4, 16], metavar="N")
    parser.add_argument(
        "--contenders",
        nargs="+",
        metavar="NAME",
        help=f"{', '.join(LIVE)}, or a compile backend; all without",
    )
    parser.add_argument("--budget-s", type=float, default=440, help="what is not reached by then is skipped")
    parser.add_argument("--packages", help="a folder with installed packages, put first on the path")
    parser.add_argument("--commit", help="what is measured, where this is not a git checkout")
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "benchmarks" / "gpu" / "results",
        help="folder of results.json and .md",
    )
    return parser.parse_args(arguments)


def _settings(*, tiny: bool) -> dict[str, Any]:
    if not tiny:
        return dict(LARGE)
    from benchmarks.by_hand import TINY

    return dict(TINY)


def _commit() -> str | None:
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


if __name__ == "__main__":
    os.chdir(ROOT)
    raise SystemExit(main())
