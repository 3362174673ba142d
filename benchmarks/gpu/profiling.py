"""Where the time of a stage goes: kernels by what they are for, how often each runs, and what lies between them.

On a GPU the kernels are what the device ran, and what lies between two of them is time in which it waits for its host.
On a CPU they are the operators, and between them is Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["TITLE", "Kernel", "find", "page", "profiled", "summary"]

TITLE = "Where the time goes, live"
NOTE = """\
One run of each stage under the profiler of torch, which itself makes every launch slower: the shares are
what counts. *gaps* is the time between kernels, in which the device waits for its host.
"""
WARMING = 2
OPERATORS = ("aten::", "mkldnn::")
MOST = 12
"""Kernels that are listed by name."""
GROUPS = (
    ("convolutions", ("conv", "implicit_gemm", "dgrad", "fprop")),
    ("attention", ("attention", "flash", "fmha", "sdpa")),
    ("norms", ("norm",)),
    ("products", ("gemm", "matmul", "addmm", "bmm", "cutlass", "nvjet", "xmma", "linear", "::mm", "splitk")),
    (
        "copies",
        ("copy", "memcpy", "memset", "cat", "transpose", "permute", "contiguous", "clone", "fill", "nchw"),
    ),
    ("lookups", ("embedding", "index", "gather", "scatter")),
)
"""What a kernel is for, by words of its name; the first that fits counts."""
VIEWS = frozenset(
    f"aten::{name}"
    for name in (
        *(
            "expand",
            "view",
            "reshape",
            "flatten",
            "unflatten",
            "transpose",
            "permute",
            "t",
            "select",
            "slice",
        ),
        *("unbind", "unsqueeze", "squeeze", "as_strided", "size"),
    )
)
"""Operators that move nothing."""
OTHERS = "element by element"


@dataclass(frozen=True)
class Kernel:
    """One run of a kernel, in microseconds."""

    name: str
    start: float
    end: float


def find(job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The encode stage and a turn of the search of the live model, each as it is known."""
    import torch

    from benchmarks.gpu.preparing import DTYPES, TASK, request, weights_in
    from benchmarks.stages import live
    from composer.execution import load

    device, batch = torch.device(job["device"]), job["batches"][0]
    model = load(
        job["document"],
        weights=weights_in(job),
        settings=job["settings"],
        tasks=[TASK],
        device=device,
        dtype=DTYPES[job["precision"]],
    )
    with torch.inference_mode():
        runner = model.runner(TASK)
        tensors, _ = runner.inputs.encode(request(job["image_size"], batch), device)
        stages = live(runner, tensors)
        runs = {"encode": stages.encode, "decode step": stages.turning(job["settings"]["answer_max_tokens"])}
        for name, run in runs.items():
            yield {"stage": name, "batch": batch, **profiled(run, device)}


def page(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table of what kernels are for, and one of the kernels that take the most time."""
    groups = [
        "| stage | batch | from first to last kernel | kernels | of it | runs | time | share |",
        f"|{'---|' * 8}",
    ]
    names = ["| stage | kernel | for | runs | time |", f"|{'---|' * 5}"]
    for row in rows:
        place = f"| {row['stage']} | {row['batch']} | {row['span_ms']:.4g} ms | {row['kernels']} |"
        every = {
            **row["groups"],
            "gaps": {"count": row["gaps"], "ms": row["gaps_ms"], "share": row["gaps_share"]},
        }
        groups += [
            f"{place} {name} | {each['count']} | {each['ms']:.4g} ms | {each['share']:.0%} |"
            for name, each in every.items()
        ]
        names += [
            f"| {row['stage']} | `{each['name'].replace('|', '/')}` | {each['group']} | {each['count']} "
            f"| {each['ms']:.4g} ms |"
            for each in row["names"]
        ]
    return "\n".join([NOTE, *groups, "", *names, ""])


def profiled(run: Callable[[], Any], device: torch.device) -> dict[str, Any]:
    """Run once under torch's profiler, after runs that do not count."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    on_gpu = device.type == "cuda"
    for _ in range(WARMING):
        run()
    if on_gpu:
        torch.cuda.synchronize(device)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities, acc_events=True) as found:
        run()
        if on_gpu:
            torch.cuda.synchronize(device)
    events: Any = found.events()
    return summary(list(_on_gpu(events) if on_gpu else _on_cpu(events)))


def _on_gpu(events: Iterable[Any]) -> Iterable[Kernel]:
    from torch.autograd import DeviceType

    for event in events:
        # What the host marks a span of kernels with stands among them, under the name of an operator.
        if event.device_type == DeviceType.CUDA and not event.name.startswith(("aten::", "cuda")):
            yield Kernel(event.name, event.time_range.start, event.time_range.end)


def _on_cpu(events: Iterable[Any]) -> Iterable[Kernel]:
    """Operators that no other called: what they call is part of them, and between them is Python."""
    for event in events:
        parent = event.cpu_parent
        if event.name.startswith(OPERATORS) and not (parent and parent.name.startswith(OPERATORS)):
            yield Kernel(event.name, event.time_range.start, event.time_range.end)


def summary(kernels: Sequence[Kernel]) -> dict[str, Any]:
    """Milliseconds from the first kernel to the last and between kernels; groups and names, the largest first."""
    if not kernels:
        return {
            "span_ms": 0.0,
            "kernels": 0,
            "gaps": 0,
            "gaps_ms": 0.0,
            "gaps_share": 0.0,
            "groups": {},
            "names": [],
        }
    ordered = sorted(kernels, key=lambda each: each.start)
    gaps, reached = [], ordered[0].start
    for each in ordered:
        if each.start > reached:
            gaps.append(each.start - reached)
        reached = max(reached, each.end)
    groups: dict[str, list[float]] = {}
    names: dict[str, list[float]] = {}
    for each in ordered:
        groups.setdefault(_group(each.name), []).append(each.end - each.start)
        names.setdefault(each.name, []).append(each.end - each.start)
    span = reached - ordered[0].start
    return {
        "span_ms": _ms(span),
        "kernels": len(ordered),
        "gaps": len(gaps),
        "gaps_ms": _ms(sum(gaps)),
        "gaps_share": round(sum(gaps) / span, 3) if span else 0.0,
        "groups": {
            name: {
                "count": len(spent),
                "ms": _ms(sum(spent)),
                "share": round(sum(spent) / span, 3) if span else 0.0,
            }
            for name, spent in sorted(groups.items(), key=_by_time)
        },
        "names": [
            {"name": name[:100], "group": _group(name), "count": len(spent), "ms": _ms(sum(spent))}
            for name, spent in sorted(names.items(), key=_by_time)[:MOST]
        ],
    }


def _by_time(item: tuple[str, list[float]]) -> float:
    return -sum(item[1])


def _group(name: str) -> str:
    if name in VIEWS:
        return "views"
    low = name.lower()
    return next((group for group, words in GROUPS if any(word in low for word in words)), OTHERS)


def _ms(microseconds: float) -> float:
    return round(microseconds / 1000, 4)
