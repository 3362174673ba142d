"""The table of a GPU run, written from its JSON and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.gpu.plan import section_module

__all__ = ["page"]

HEAD = """\
# {document}:{task} on {card}

Written by `benchmarks/gpu/run.py`; do not edit. {weights}. `first` is the first answer with everything that is
compiled for it, or making the artifact. FLOP/s and bytes/s are useful work over time: the operations of the program
with a cache, and the weights and the cache read once, however a way to run goes about it. The percentages hold them
against a large matrix product and a copy on the same machine. `ids` is the share of samples with the answer that the
weights were shaped for: its best token is ahead of the second by {margin} at every step. `drift` is how far
the scores of the first token lie from those of the live model in float32, over the largest of them, and the tolerance
of the precision.

{machine}

| ceiling | measured |
|---|---|
{ceilings}

{columns}
"""
COLUMNS = (
    *("way to run", "precision", "batch", "encode", "decode step", "whole answer"),
    *("encode FLOP/s", "step bytes/s", "peak memory", "ids", "drift", "first"),
)


def page(results: Mapping[str, Any]) -> str:
    """Every cell has a row: numbers, or why there are none."""
    machine = results.get("machine", {})
    ceilings = results.get("ceilings", {"flops_per_s": {}, "copy_bytes_per_s": None})
    rows = [
        f"| matrix product, {name} | {value / 1e12:.3g} TFLOP/s |"
        for name, value in ceilings["flops_per_s"].items()
    ]
    if ceilings["copy_bytes_per_s"] is not None:
        rows.append(f"| copy | {ceilings['copy_bytes_per_s'] / 1e9:.4g} GB/s |")
    settings = ", ".join(f"{key} {value}" for key, value in results["settings"].items())
    known = ", ".join(f"{key} {value}" for key, value in machine.items() if key not in ("card", "device"))
    head = HEAD.format(
        document=results["document"],
        task=results["task"],
        card=machine.get("card", results["device"]),
        weights=results["weights"],
        machine=f"{known}. Commit {results['commit'] or 'unknown'}. {settings}.",
        ceilings="\n".join(rows),
        margin="a wide margin" if "margin" not in results else f"{results['margin']:.3g} or more",
        columns=f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}",
    )
    cells = "\n".join(_row(cell, ceilings) for cell in results["cells"])
    return f"{head}{cells}\n" + "".join(_section(section) for section in results["sections"])


def _section(section: Mapping[str, Any]) -> str:
    """A part with rows of its own, and what became of it where that is not all."""
    found = section_module(section["name"].split(", ")[0])
    told = "" if section["status"] == "measured" else f"{section['status']}: {section['reason']}\n"
    rows = found.page(section["rows"]) if section["rows"] else ""
    return f"\n## {found.TITLE} ({section['name']})\n\n{rows}{told}"


def _row(cell: Mapping[str, Any], ceilings: Mapping[str, Any]) -> str:
    place = f"| {cell['contender']} | {cell['precision']} | {cell['batch']} |"
    if cell["status"] != "measured":
        return f"{place} {cell['status']}: {cell['reason'].replace('|', '/')} | | | | | | | | |"
    stages = cell["stages"]
    times = " | ".join(f"{1000 * stages[name]['seconds']:.4g} ms" for name in stages)
    peak = ceilings["flops_per_s"][cell["precision"]]
    flops = stages["encode"]["flops_per_s"]
    moved = stages["decode step"]["bytes_per_s"]
    parity = cell["parity"]
    ids = f"{parity['ids']:.0%}{'' if parity['ids'] == 1 else ' MISSED'}"
    drift = f"{parity['drift']:.2g} of {parity['tolerance']:g} {'met' if parity['met'] else 'MISSED'}"
    build = "" if cell["build_s"] is None else f"{cell['build_s']:.3g} s"
    memory = "" if cell["peak_bytes"] is None else f"{cell['peak_bytes'] / 2**30:.3g} GiB"
    return (
        f"{place} {times} | {flops / 1e12:.3g} T ({flops / peak:.0%}) "
        f"| {moved / 1e9:.3g} G ({moved / ceilings['copy_bytes_per_s']:.0%}) "
        f"| {memory} | {ids} | {drift} | {build} |"
    )
