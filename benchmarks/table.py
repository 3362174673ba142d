"""The table of docs/benchmarks.md, written from the results and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["table"]

HEAD = """\
# Benchmarks

Written by `make bench` from `benchmarks/results/*.json`; do not edit. Runs that are compared take turns in one
session, and a ratio is the median over the turns, so that it says more than the seconds beside it. `met` holds the
measured ratio (or the value, where there is no ratio) against the budget.
"""


NOTES = {
    "answer": """\
What a whole answer gains depends on the processor, because encoding is most of it, and both sides encode the same.
Where torch's own linear maps leave half of the speed unused (AMD processors with AVX-512, see
`composer/execution/linear.py`), as above, a whole answer gains most. On an Intel processor (Xeon, family 6 model 207),
where they do not, it was 4.29 times faster in November 2026, which misses the budget.

Beside the published code itself, which this repository does not hold: measured elsewhere, side by side, in November
2026, on a processor without AVX-512, at base size with the same weights and real clips. The whole answer was 5.3 times
faster (batch 1) to 6.4 times (batch 4), captions 7 times, generation alone 14 to 28 times, encoding 1.1 to 1.4 times;
all best answers were equal.""",
    "encoding": """\
What was tried for the rest: linear maps by oneDNN (half of their time on AMD processors with AVX-512, nothing on Intel
ones, where it is not used); temporal taps in place (half of their time, the same bits); patches as one matrix product
(convolutions are gone); attention is torch's fused kernel; `composer.load(fuse=...)` puts activations and sums into
fewer passes over memory. What is left reads and writes memory once per operation.""",
    "published": """\
X-PLUG/mPLUG-2 at a46aa97, in float32 on one thread, with AdamW, without dropout and without distillation; it computes
the layers of its decoder twice, as it always does. `benchmarks/published/__init__.py` says what it takes to run it.""",
    "language": """\
For one text a step must read all weights, 538 MB: 7 ms at the speed of reading above. What else it takes is some fifty
small operations in each layer. For eight texts four fifths of a step are products of matrices, which reach neither
limit: oneDNN turns the weights round in every call. Weights packed once take 30 % off these products, at the price of
a second copy of the weights in memory; an artifact of inductor does that, and a live model, which may be trained or
changed, does not.

On an older processor (AMD EPYC, family 25 model 17: 32 GB/s, 207 GFLOP/s), in November 2026, eight texts after 512
tokens were 1.1 times faster than `generate`, at 0.51 of the limit, which misses the budget; all other rows were 1.36
times faster and more. Three quarters of that answer is the prompt, where both sides multiply at the limit of that
processor.""",
    "language_artifact": """\
On an older processor (AMD EPYC, family 25 model 17: 38 GB/s, 169 GFLOP/s), in November 2026, the four rows of greedy
were 3.34, 1.83, 1.62 and 1.3 times faster, at 0.81, 0.76, 0.34 and 0.72 of the limit. That was before weights were
packed, long texts attended in pieces and what layers share computed once; since then nobody measured there.""",
}
"""What stands below a topic's table: what was measured by others, with when and on what. No budget rests on it."""


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """One section per topic, in the order given. Results carry the machine that they were measured on."""
    lines = [HEAD]
    for topic, result in results.items():
        lines += [f"## {result['title']}", "", _machine(result["machine"]), ""]
        lines += ["| what | measured | beside | ratio | budget | met |", "|---|---|---|---|---|---|"]
        lines += [_line(row) for row in result["rows"]]
        lines += ["", *((NOTES[topic], "") if topic in NOTES else ()), f"`python -m benchmarks {topic}`", ""]
    return "\n".join(lines)


def _machine(machine: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)
    processor = f" ({machine['processor']})" if machine.get("processor") else ""
    return (
        f"{machine['cores']} cores{processor}, {machine['system']}, Python {machine['python']}, {packages}."
    )


def _line(row: Mapping[str, Any]) -> str:
    measured = row["note"] if row["value"] is None else f"{_number(row['value'])} {row['unit']}"
    beside = row["beside"]
    if row["beside_value"] is not None:
        beside = f"{beside}: {_number(row['beside_value'])} {row['unit']}"
    ratio = "" if row["ratio"] is None else _number(row["ratio"])
    if ratio and row["note"] and row["value"] is not None:
        ratio = f"{ratio} {row['note']}"
    met = {True: "yes", False: "**no**", None: ""}[row["met"]]
    sign = row["budget"].replace("<=", "≤").replace(">=", "≥")
    return f"| {row['what']} | {measured} | {beside} | {ratio} | {sign} | {met} |"


def _number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 else f"{value:.6f}"
