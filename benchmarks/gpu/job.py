"""The processes of the GPU script: `python -m benchmarks.gpu.job JSON` prints one line of JSON per finding.

Every way to run has a process of its own, so that a crash or a full memory ends that one alone.
"""

from __future__ import annotations

import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from benchmarks.gpu.clock import median_seconds, peak_bytes, reset_peak
from benchmarks.gpu.plan import BASELINE, COMPILED, REFERENCE
from benchmarks.gpu.preparing import DTYPES, TASK, prepare, request
from benchmarks.stages import Stages, live, of_artifact, over_prefixes, torch_compiled
from composer.execution import load
from composer.problems import ComposerError

__all__ = ["main"]

RUNS: dict[str, Callable[[Any, Any], Stages]] = {
    REFERENCE: live,
    BASELINE: over_prefixes,
    COMPILED: torch_compiled,
}


def main(arguments: list[str]) -> int:
    job = json.loads(arguments[0])
    if job["device"] == "cpu":
        torch.set_num_threads(1)
    torch.manual_seed(0)
    find = {"setup": prepare, "live": _live, "artifact": _artifact}[job["kind"]]
    try:
        with torch.inference_mode(job["kind"] != "artifact"):
            for finding in find(job):
                print(json.dumps(finding), flush=True)
    except (ComposerError, RuntimeError, torch.OutOfMemoryError) as error:
        print(json.dumps({"failed": _reason(error)}), flush=True)
    return 0


def _live(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    device = torch.device(job["device"])
    given = {"weights": job["weights"], "settings": job["settings"], "tasks": [TASK], "device": device}
    reference = {}
    if REFERENCE in job["contenders"] and job["precision"] != "fp32":
        exact = load(job["document"], **given)
        reference = {batch: _memory(exact, job, batch).cpu() for batch in job["batches"]}
        del exact
    model = load(job["document"], dtype=DTYPES[job["precision"]], **given)
    runner = model.runner(TASK)
    for batch in job["batches"]:
        tensors, _ = runner.inputs.encode(request(job["image_size"], batch), device)
        for name in job["contenders"]:
            found = _measured(functools.partial(RUNS[name], runner, tensors), job, device, batch)
            if name == REFERENCE and batch in reference and "failed" not in found:
                ours, wanted = _memory(model, job, batch).cpu().float(), reference[batch]
                found["encoding_max_rel_to_fp32"] = float((ours - wanted).abs().max() / wanted.abs().max())
            yield {"contender": name, "batch": batch, **found}


def _artifact(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Compiled once for all batches; drift is noted, not refused: the ids are compared here."""
    import composer_compile

    ranges = {
        "batch": f"{min(job['batches'])}..{max(job['batches'])}",
        "question.length": f"{job['length']}..{job['length']}",
    }
    options = composer_compile.Options(
        backend=job["contenders"][0], ranges=ranges, precision=job["precision"], accept_drift=True
    )
    given = {"weights": job["weights"], "settings": job["settings"], "tasks": [TASK]}
    with tempfile.TemporaryDirectory(dir=Path(job["weights"]).parent) as folder:
        path = Path(folder, "artifact")
        began = time.perf_counter()
        manifest = composer_compile.compile_document(
            job["document"], path, options=options, device=job["device"], **given
        )
        built = time.perf_counter() - began
        worst = max(each.max_rel for each in manifest.parity[TASK].differences)
        with composer_compile.load(path, device=job["device"]) as artifact, torch.inference_mode():
            task = artifact.task(TASK)
            for batch in job["batches"]:
                raw = request(job["image_size"], batch)
                found = _measured(functools.partial(of_artifact, task, raw), job, artifact.device, batch)
                yield {
                    "contender": job["contenders"][0],
                    "batch": batch,
                    "build_s": built,
                    "compile_max_rel": worst,
                    **found,
                }


def _measured(
    make: Callable[[], Stages], job: dict[str, Any], device: torch.device, batch: int
) -> dict[str, Any]:
    """Median seconds of every stage, peak memory and the ids; `failed` with a reason where it does not run."""
    print(f"  batch {batch} ...", file=sys.stderr, flush=True)
    try:
        reset_peak(device)
        began = time.perf_counter()
        stages = make()
        found = stages.answer()
        first = time.perf_counter() - began
        state = stages.encode()
        runs = {
            "encode": stages.encode,
            "decode step": lambda: stages.step(state),
            "whole answer": stages.answer,
        }
        seconds = {name: median_seconds(run, device, job["rounds"]) for name, run in runs.items()}
        cache = sum(leaf.nbytes for leaf in tree_leaves(_tensors(state)) if isinstance(leaf, torch.Tensor))
        return {
            "seconds": seconds,
            "first_s": first,
            "ids": [list(hypotheses[0].ids) for hypotheses in found],
            "state_bytes": cache,
            "peak_bytes": peak_bytes(device),
        }
    except (ComposerError, RuntimeError, torch.OutOfMemoryError) as error:
        return {"failed": _reason(error)}
    finally:
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _tensors(state: Any) -> Any:
    """The tensors of a decoder's cache, or of the one that a compiled decoder carries."""
    return getattr(state, "tensors", state)


def _memory(model: Any, job: dict[str, Any], batch: int) -> torch.Tensor:
    """What the decoder reads: encoded video and question, [B, N, D]."""
    runner = model.runner(TASK)
    (generator,) = runner.generators.values()
    (slot,) = generator.step.sources.values()
    tensors, _ = runner.inputs.encode(request(job["image_size"], batch), model.device)
    values: torch.Tensor = runner.program(tensors)[slot].values
    return values


def _reason(error: BaseException) -> str:
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
