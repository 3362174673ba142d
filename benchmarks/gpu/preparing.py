"""What is prepared once for all ways to run: weights and first scores as files, costs, ceilings; and the requests."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.by_hand import QUESTION
from benchmarks.gpu.clock import ceilings
from benchmarks.gpu.parity import keep_reference
from benchmarks.gpu.sure import make_sure, sure_answer
from benchmarks.stages import live
from composer.execution import INITIAL, load
from composer.weights import save_weights

__all__ = ["DTYPES", "TASK", "prepare", "request", "weights_in"]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TASK = "video-qa"
CLIP_FRAMES = 24


def weights_in(job: Mapping[str, Any]) -> str:
    """The path of the weights that were prepared."""
    return str(Path(job["folder"], "weights.safetensors"))


def prepare(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Weights with sure answers as a file, what a request needs to compute, and what the machine can do at most."""
    from composer.views.cost import measure

    device = torch.device(job["device"])
    torch.backends.cudnn.allow_tf32 = False  # what is kept here is the reference in full float32
    model = load(job["document"], weights=INITIAL, settings=job["settings"], tasks=[TASK], device=device)
    size = int(model.report.document.parameters["image_size"])  # type: ignore[union-attr]
    runner = model.runner(TASK)
    (generator,) = runner.generators.values()
    given = {batch: runner.inputs.encode(request(size, batch), device)[0] for batch in job["batches"]}
    memories = [generator.step.read(runner.program(tensors)) for tensors in given.values()]
    answer = sure_answer(generator)
    margin = make_sure(generator, memories, answer)
    save_weights(model.modules, Path(weights_in(job)))
    first = {batch: _first_scores(runner, tensors) for batch, tensors in given.items()}
    keep_reference(Path(job["folder"]), first)
    length = given[job["batches"][0]]["question"]["tokens"].ids.shape[1]
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
        "sure": [generator.framing.start, *answer],
        "margin": margin,
        "parameters": {name: _count(module) for name, module in model.modules.items()},
        "ceilings": ceilings(device, {name: DTYPES[name] for name in job["precisions"]}, tiny=job["tiny"]),
        "machine": _machine(device),
    }


def _first_scores(runner: Any, tensors: Any) -> torch.Tensor:
    stages = live(runner, tensors)
    return stages.step(stages.encode()).clone()


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
