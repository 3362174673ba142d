"""Parity, latency and memory of mPLUG-2 (large), video-qa, on a GPU, for every way to run it.

    python benchmarks/gpu/run.py                      # an H100 or H200, bf16: the most telling parts within 8 minutes
    python benchmarks/gpu/run.py                      # the same again: goes on with what is missing
    python benchmarks/gpu/run.py --parts live train   # these parts alone
    python benchmarks/gpu/run.py --tiny --device cpu  # to see that it works

Writes `results.json` and `results.md` after every finding, and says on stderr what it is doing. What fails, or has no
time left (`--budget-s`), has its reason in its row. `--work FOLDER` keeps weights and artifacts for the next call.
Weights are random, shaped so that the best token of every step is far ahead of the second (`sure.py`).

It needs torch with CUDA, the packages of pyproject.toml, and this project installed for the same Python
(`python -m pip install --no-deps .`). On a machine without a network, carry wheels made for its Python:

    python -m pip wheel --no-deps -w wheels . ; python -m pip download --no-deps -d wheels pydantic ...   # elsewhere
    python -m pip install --no-index --no-deps --target site wheels/*.whl                                 # there
    python benchmarks/gpu/run.py --packages site

`--packages` takes the site-packages folder of a virtual environment as well.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
if __package__ in (None, ""):
    sys.path.insert(0, str(ROOT))

from benchmarks.gpu.needs import missing  # noqa: E402 (the path above comes first)
from benchmarks.gpu.plan import REST, Group, parts_known, planned  # noqa: E402
from benchmarks.gpu.processes import Clock, findings  # noqa: E402
from benchmarks.gpu.results import Results  # noqa: E402

__all__ = ["main"]

LARGE = {"frames": 16, "beams": 5, "answer_min_tokens": 10, "answer_max_tokens": 10}
PRECISIONS = ("fp32", "bf16", "fp16")
WEIGHTS = "Random weights (seed 0), shaped so that every step has a sure first choice; all answers have the same length"


def main(arguments: list[str] | None = None) -> int:
    given = _arguments(arguments)
    if given.packages:
        sys.path.insert(0, given.packages)
    lacking = missing(given.device)
    if lacking is not None:
        print(lacking, file=sys.stderr)
        return 2
    from composer.plugin import load_registry

    backends = tuple(load_registry().backends)
    known = parts_known(backends)
    parts = given.parts or list(known)
    unknown = [name for name in parts if name not in known]
    if unknown:
        print(f"there is no part called {', '.join(unknown)} (known: {', '.join(known)})", file=sys.stderr)
        return 2
    job = _job(given)
    results = Results(given.out, _about(given, job))
    fault = None if given.fresh else results.resume()
    if fault is not None:
        print(fault, file=sys.stderr)
        return 2
    groups = results.plan(planned(parts, backends, given.precisions, given.batches))
    if not groups:
        print(
            "nothing is missing: everything was measured before (--fresh measures it anew)", file=sys.stderr
        )
        return 0
    with _work(given.work) as folder:
        _measure(results, groups, {**job, "folder": str(folder)}, given)
    print(f"written: {given.out / 'results.json'} and results.md", file=sys.stderr)
    return 0


def _measure(
    results: Results, groups: Sequence[Group], job: dict[str, Any], given: argparse.Namespace
) -> None:
    clock = Clock(given.budget_s)
    results.write()
    job = {**job, "batches": given.batches}
    for finding in findings({**job, "kind": "setup"}, "preparing", clock, given.packages):
        if "failed" in finding or "skipped" in finding:
            status = "failed" if "failed" in finding else "skipped"
            for group in groups:
                results.close(group, status, f"preparing {status}: {finding[status]}")
            results.write()
            return
        results.setup = finding
    for group in groups:
        if group.part == REST and not results.is_known(group, given.batches[0]):
            results.close(group, "skipped", f"it was not measured at a batch of {given.batches[0]}")
        else:
            _measure_group(results, group, job, clock, given.packages)
        results.write()


def _measure_group(
    results: Results, group: Group, job: dict[str, Any], clock: Clock, packages: str | None
) -> None:
    open_ = [cell for cell in group.cells if cell.status != "measured"]
    own = {**job, "kind": group.kind, "part": group.part, "precision": group.precision}
    own["contenders"] = [name for name in group.contenders if any(name == cell.contender for cell in open_)]
    own["batches"] = sorted({cell.batch for cell in open_}) or job["batches"][:1]
    own["ranges"] = [min(job["batches"]), max(job["batches"])]
    own |= {key: results.setup[key] for key in ("length", "image_size", "sure", "flops")}
    status, reason = "measured", ""
    results.begin(group)
    for finding in findings(own, group.name, clock, packages):
        if "skipped" in finding:
            status, reason = "skipped", finding["skipped"]
        elif "failed" in finding and "contender" not in finding:
            status, reason = "failed", finding["failed"]
        else:
            results.add(group, finding)
            results.write()
    if group.section is None and status == "measured":
        status, reason = "failed", "its process ended without a word of it"
    results.close(group, status, reason)


@contextlib.contextmanager
def _work(named: Path | None) -> Iterator[Path]:
    """The folder of weights and artifacts: kept where it was named."""
    if named is not None:
        named.mkdir(parents=True, exist_ok=True)
        yield named.absolute()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _job(given: argparse.Namespace) -> dict[str, Any]:
    return {
        "document": "mplug2",
        "settings": _settings(tiny=given.tiny),
        "device": given.device,
        "precisions": given.precisions,
        "tiny": given.tiny,
        "rounds": 2 if given.tiny else 10,
    }


def _about(given: argparse.Namespace, job: dict[str, Any]) -> dict[str, Any]:
    return {
        "document": job["document"],
        "task": "video-qa",
        "weights": WEIGHTS,
        "device": given.device,
        "settings": job["settings"],
        "tokens": job["settings"]["answer_max_tokens"],
        "commit": given.commit or _commit(),
    }


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="mPLUG-2 (large) on a GPU: parity, latency, memory.")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu (default: cuda)")
    parser.add_argument("--tiny", action="store_true", help="toy sizes, to see that the script works")
    parser.add_argument(
        "--parts",
        nargs="+",
        metavar="PART",
        help="live (captured steps), profile (kernels by time), train, a compile backend, fuse (load with fuse=), "
        "compile (torch.compile), prefixes (the search of published code), batches (all but the first of --batches): "
        "all without, in this order",
    )
    parser.add_argument(
        "--precisions",
        nargs="+",
        choices=PRECISIONS,
        default=["bf16"],
        metavar="P",
        help=f"{', '.join(PRECISIONS)} (default: bf16)",
    )
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4, 16], metavar="N")
    parser.add_argument("--budget-s", type=float, default=440, help="what is not reached by then is skipped")
    parser.add_argument("--packages", help="a folder with installed packages, put first on the path")
    parser.add_argument("--commit", help="what is measured, where this is not a git checkout")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured into --out before")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep weights and artifacts here")
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
