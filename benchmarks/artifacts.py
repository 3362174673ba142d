"""Making artifacts, and using them and live models, in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.subjects import Subject
from composer.execution import INITIAL, load
from composer.weights import save_weights

__all__ = ["ELSEWHERE", "Made", "compiled", "save_random_weights", "started"]

ROOT = Path(__file__).parents[1]
ELSEWHERE: dict[str, dict[str, Any]] = {"tensorrt": {"targets": ["rtx4090"], "precision": "fp16"}}
"""What a backend builds on a machine without a GPU."""
COMPILE = """
import json, sys, time
from composer.problems import ComposerError
import torch, composer_compile
from composer_compile.options import BuildOptions
job = json.loads(sys.argv[1])
torch.manual_seed(0)
build = BuildOptions(targets=tuple(job["targets"]), jobs=job["jobs"])
options = composer_compile.Options(
    backend=job["backend"], ranges=job["ranges"], precision=job["precision"], build=build
)
given = {key: job[key] for key in ("tasks", "weights", "settings")}
began = time.perf_counter()
try:
    composer_compile.compile_document(job["document"], job["out"], options=options, **given)
    print(json.dumps({"seconds": time.perf_counter() - began}))
except ComposerError as error:
    print(json.dumps({"refused": str(error).splitlines()[0]}))
"""
ANSWER = """
import json, sys, time
import torch
job = json.loads(sys.argv[1])
torch.set_num_threads(job["threads"])
began = time.perf_counter()
if job["artifact"] is None:
    from composer.execution import load
    given = {key: job[key] for key in ("weights", "settings")}
    model = load(job["document"], tasks=list(job["requests"]), **given)
    for task in job["requests"]:
        model.runner(task)
else:
    import composer_compile
    model = composer_compile.load(job["artifact"])
    model.warm_up(*job["requests"])
ready = time.perf_counter() - began
answers = [sorted(map(str, model.run(task, **raw).values())) for task, raw in job["requests"].items()]
from benchmarks.measuring import resident
print(json.dumps({"ready": ready, "answers": answers, **resident()}))
"""


@dataclass(frozen=True)
class Made:
    """An artifact, how long it took and its size on disk; or why the backend refused."""

    path: Path
    seconds: float = 0.0
    bytes: int = 0
    refused: str = ""


def compiled(
    subject: Subject,
    out: Path,
    *,
    backend: str = "export",
    tasks: Iterable[str] | None = None,
    weights: str | None = None,
    targets: Iterable[str] = (),
    precision: str | None = None,
    jobs: int | None = None,
) -> Made:
    """Compile tasks of a subject (its own, unless named), for the machine at hand or for named GPUs."""
    job = {
        "document": subject.document,
        "out": str(out),
        "backend": backend,
        "ranges": dict(subject.ranges),
        "tasks": list(tasks) if tasks is not None else [subject.task],
        "weights": weights,
        "settings": dict(subject.settings),
        "targets": list(targets),
        "precision": precision,
        "jobs": jobs,
    }
    found = json.loads(_run(COMPILE, job))
    if "refused" in found:
        return Made(out, refused=found["refused"])
    return Made(out, found["seconds"], _size_bytes(out))


def _size_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def save_random_weights(subject: Subject, out: Path) -> str:
    """Initial weights of all tasks as a checkpoint, so that a live model starts from a file as an artifact does."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        modules = load(subject.document, weights=INITIAL, settings=dict(subject.settings)).modules
    save_weights(modules, out)
    return str(out)


def started(
    subject: Subject,
    requests: Mapping[str, Mapping[str, Any]],
    *,
    artifact: Path | None = None,
    weights: str | None = None,
    threads: int = 2,
) -> dict[str, Any]:
    """Answer one request per task in a fresh process, from an artifact or from the document.

    `whole` and `ready` are seconds, from the start of the process and for loading alone (torch is imported by then);
    `resident` and `private` are bytes at the end.
    """
    job = {
        "document": subject.document,
        "artifact": None if artifact is None else str(artifact),
        "weights": weights,
        "settings": dict(subject.settings),
        "threads": threads,
        "requests": {task: dict(raw) for task, raw in requests.items()},
    }
    began = time.perf_counter()
    text = _run(ANSWER, job)
    return {"whole": time.perf_counter() - began, **json.loads(text)}


def _run(code: str, job: Mapping[str, Any]) -> str:
    command = [sys.executable, "-c", code, json.dumps(job)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"a measured process failed:\n{done.stderr[-2000:]}")
    return done.stdout
