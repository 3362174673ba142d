"""Where the time of a run goes: each node that runs, how often, and how long.

timing = Timing(model.device)
with timing:
    model.run("video-qa", video="clip.mp4", question="what is it?")
print(timing)
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch

from composer.plan import Walked, watching

__all__ = ["NodeTime", "Timing"]

BESIDE = "beside the nodes"
"""What is not a node's time: reading the inputs, and the steps of the walk."""


@dataclass
class NodeTime:
    """The time of a node, or of a program of an artifact, over all its runs."""

    name: str
    callee: str
    runs: int = 0
    """How often it ran; a search that streams counts every piece, and its end."""
    seconds: float = 0.0


class Timing:
    """Times whatever runs inside of it, in this thread; work on a GPU is waited for, node by node."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.nodes: dict[str, NodeTime] = {}
        self.seconds = 0.0
        """Of the whole block."""
        self._open = ExitStack()

    def __enter__(self) -> Timing:
        self._open.enter_context(watching(self.watch))
        self._started = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        self.seconds += self._now() - self._started

    @contextmanager
    def watch(self, step: Walked) -> Iterator[None]:
        """Time one run of a step; of one that fails too."""
        found = self.nodes.setdefault(step.name, NodeTime(step.name, step.callee))
        started = self._now()
        try:
            yield
        finally:
            found.seconds += self._now() - started
            found.runs += 1

    @property
    def beside(self) -> float:
        """Seconds that are not node's: reading the inputs, and walking."""
        return max(self.seconds - sum(node.seconds for node in self.nodes.values()), 0.0)

    def as_json(self) -> dict[str, object]:
        """Milliseconds by node, in the order in which they ran."""
        nodes = [
            {"name": node.name, "callee": node.callee, "runs": node.runs, "ms": _ms(node.seconds)}
            for node in self.nodes.values()
        ]
        return {"nodes": nodes, "beside_ms": _ms(self.beside), "total_ms": _ms(self.seconds)}

    def __str__(self) -> str:
        rows = [(n.name, n.callee, str(n.runs), n.seconds) for n in self.nodes.values()]
        rows += [(BESIDE, "", "", self.beside), ("together", "", "", self.seconds)]
        cells = [("node", "calls", "runs", "ms", "share")]
        cells += [
            (name, callee, runs, f"{1000 * spent:.2f}", f"{spent / self.seconds:.0%}" if self.seconds else "")
            for name, callee, runs, spent in rows
        ]
        widths = [max(len(row[column]) for row in cells) for column in range(5)]
        return "\n".join(
            f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  "
            + "  ".join(f"{cell:>{width}}" for cell, width in zip(row[2:], widths[2:], strict=True))
            for row in cells
        )

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)
