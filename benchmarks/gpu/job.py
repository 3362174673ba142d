"""The processes of the GPU script: `python -m benchmarks.gpu.job JSON` prints one line of JSON per finding.

Every way to run has a process of its own, so that a crash or a full memory ends that one alone.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.clock import median_seconds, peak_bytes, reset_peak
from benchmarks.gpu.parity import parity_of
from benchmarks.gpu.plan import BASELINE, COMPILED, FUSED, REFERENCE, section_module
from benchmarks.gpu.preparing import DTYPES, TASK, prepare, request, weights_in
from benchmarks.stages import Stages, live, of_artifact, over_prefixes, torch_compiled
from composer.execution import load
from composer.problems import ComposerError

__all__ = ["main"]

RUNS: dict[str, Callable[[Any, Any], Stages]] = {
    REFERENCE: live,
    FUSED: live,
    BASELINE: over_prefixes,
    COMPILED: torch_compiled,
}


def main(arguments: list[str]) -> int:
    job = json.loads(arguments[0])
    if job["device"] == "cpu":
        torch.set_num_threads(1)
    torch.manual_seed(0)
    find = {"setup": prepare, "live": _live, "artifact": _artifact, "section": _section}[job["kind"]]
    try:
        with torch.inference_mode(job["kind"] in ("setup", "live")):
            for finding in find(job):
                print(json.dumps(finding), flush=True)
    except (ComposerError, RuntimeError, torch.OutOfMemoryError) as error:
        print(json.dumps({"failed": _reason(error)}), flush=True)
    return 0


def _section(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return section_module(job["part"]).find(job)


def _live(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    device = torch.device(job["device"])
    model = load(
        job["document"],
        weights=weights_in(job),
        settings=job["settings"],
        tasks=[TASK],
        device=device,
        dtype=DTYPES[job["precision"]],
        fuse=Path(job["folder"], "fused") if FUSED in job["contenders"] else None,
    )
    runner = model.runner(TASK)
    for batch in job["batches"]:
        tensors, _ = runner.inputs.encode(request(job["image_size"], batch), device)
        for name in job["contenders"]:
            found = _measured(functools.partial(RUNS[name], runner, tensors), job, device, batch)
            yield {"contender": name, "batch": batch, **found}


def _artifact(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Compiled once for all batches; drift is noted, not refused: the ids are compared here."""
    import composer_compile

    (name,) = job["contenders"]
    path = Path(job["folder"], f"artifact-{name}-{job['precision']}")
    built = {} if path.is_dir() else {"build_s": _compiled(job, name, path)}
    with composer_compile.load(path, device=job["device"]) as artifact, torch.inference_mode():
        worst = max(each.max_rel for each in artifact.manifest.parity[TASK].differences)
        task = artifact.task(TASK)
        for batch in job["batches"]:
            raw = request(job["image_size"], batch)
            found = _measured(functools.partial(of_artifact, task, raw), job, artifact.device, batch)
            if "parity" in found:
                found["parity"]["compile_max_rel"] = worst
            yield {"contender": name, "batch": batch, **built, **found}


def _compiled(job: dict[str, Any], backend: str, path: Path) -> float:
    """Compile for every batch that is asked for; the seconds that it took."""
    import composer_compile

    low, high = job["ranges"]
    options = composer_compile.Options(
        backend=backend,
        ranges={"batch": f"{low}..{high}", "question.length": f"{job['length']}..{job['length']}"},
        precision=job["precision"],
        accept_drift=True,
    )
    began = time.perf_counter()
    composer_compile.compile_document(
        job["document"],
        path,
        options=options,
        device=job["device"],
        weights=weights_in(job),
        settings=job["settings"],
        tasks=[TASK],
        progress=lambda line: print(f"  {line}", file=sys.stderr, flush=True),
    )
    return time.perf_counter() - began


def _measured(
    make: Callable[[], Stages], job: dict[str, Any], device: torch.device, batch: int
) -> dict[str, Any]:
    """Median seconds of every stage, peak memory, ids and drift; `failed` with a reason where it does not run."""
    print(f"  batch {batch} ...", file=sys.stderr, flush=True)
    try:
        reset_peak(device)
        began = time.perf_counter()
        stages = make()
        found = stages.answer()
        first = time.perf_counter() - began
        ids = [list(hypotheses[0].ids) for hypotheses in found]
        most = job["settings"]["answer_max_tokens"]
        runs = {
            "encode": stages.encode,
            "decode step": stages.turning(most),
            "whole answer": stages.answer,
        }
        seconds = {}
        for name in list(
            runs
        ):  # one after the other, and none is kept: captured steps serve one search at a time
            seconds[name] = median_seconds(runs.pop(name), device, job["rounds"])
        return {
            "seconds": seconds,
            "first_s": first,
            "ids": ids,
            "parity": parity_of(stages, ids, job, batch),
            "state_bytes": stages.state_bytes(),
            "peak_bytes": peak_bytes(device),
        }
    except (ComposerError, RuntimeError, torch.OutOfMemoryError) as error:
        return {"failed": _reason(error)}
    finally:
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _reason(error: BaseException) -> str:
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
