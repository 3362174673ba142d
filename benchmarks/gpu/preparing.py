"""What is prepared once for all ways to run: random weights as a file, costs, ceilings; and the requests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.by_hand import QUESTION
from benchmarks.gpu.clock import ceilings
from composer.execution import INITIAL, load
from composer.weights import save_weights

__all__ = ["DTYPES", "TASK", "prepare", "request"]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TASK = "video-qa"
CLIP_FRAMES = 24


def prepare(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Random weights as a file, what a request needs to compute, and what the machine can do at most."""
    from composer.views.cost import measure

    device = torch.device(job["device"])
    model = load(job["document"], weights=INITIAL, settings=job["settings"], tasks=[TASK])
    save_weights(model.modules, Path(job["weights"]))
    size = int(model.report.document.parameters["image_size"])  # type: ignore[union-attr]
    tensors, _ = model.runner(TASK).inputs.encode(request(size, 1), torch.device("cpu"))
    length = tensors["question"]["tokens"].ids.shape[1]
    flops = {}
    for batch in job["batches"]:
        at = {"batch": batch, "question.length": length}
        (task,) = measure(model.report, tasks=[TASK], at=at).tasks
        generating = next(s.generating for stage in task.stages for s in stage.steps if s.generating)
        encode = task.flops - generating.total_flops + generating.start_flops
        flops[batch] = {"encode": encode, "decode step": generating.first_flops, "whole answer": task.flops}
    yield {
        "flops": flops,
        "length": length,
        "image_size": size,
        "parameters": {name: _count(module) for name, module in model.modules.items()},
        "ceilings": ceilings(device, {name: DTYPES[name] for name in job["precisions"]}, tiny=job["tiny"]),
        "machine": _machine(device),
    }


def request(size: int, batch: int) -> dict[str, Any]:
    """The same random clips whenever a batch of this size is asked for, and one question."""
    random = torch.Generator().manual_seed(batch)
    shape = (batch, CLIP_FRAMES, size, size, 3)
    clips = torch.randint(256, shape, dtype=torch.uint8, generator=random).numpy()
    return {"video": list(clips), "question": [QUESTION] * batch}


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _machine(device: torch.device) -> dict[str, Any]:
    found: dict[str, Any] = {
        "device": device.type,
        "torch": torch.__version__,
        "python": sys.version.split()[0],
    }
    found["networkx"], found["pydantic"] = version("networkx"), version("pydantic")
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        found |= {
            "card": card.name,
            "capability": f"{card.major}.{card.minor}",
            "memory_bytes": card.total_memory,
            "cuda": torch.version.cuda,
        }
    return found
