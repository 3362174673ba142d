"""Whether a way to run gives what it should: the sure answer, and scores within the tolerance of its precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmarks.stages import Stages

__all__ = ["keep_reference", "parity_of"]

REFERENCE = "reference.safetensors"


def keep_reference(folder: Path, logits: Mapping[int, Tensor]) -> None:
    """Write the scores[B, K, V] of the first token in float32, by batch."""
    from safetensors.torch import save_file

    save_file({str(batch): tensor.cpu().contiguous() for batch, tensor in logits.items()}, folder / REFERENCE)


def parity_of(
    stages: Stages, ids: Sequence[Sequence[int]], job: Mapping[str, Any], batch: int
) -> dict[str, Any]:
    """The drift of the first scores, which encoding and a step go into; the share of samples with the sure answer."""
    from composer_compile.tensors.differences import TOLERANCES, difference, within
    from safetensors.torch import load_file

    wanted = load_file(Path(job["folder"], REFERENCE))[str(batch)]
    ours = stages.step(stages.encode()).float().cpu()
    found = difference("logits", {"batch": batch}, ours, wanted)
    tolerance = TOLERANCES[job["precision"]]
    return {
        "drift": found.max_rel,
        "tolerance": tolerance,
        "met": within(found, tolerance),
        "ids": sum(list(each) == job["sure"] for each in ids) / len(ids),
    }
