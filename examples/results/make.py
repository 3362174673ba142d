"""Run experiments and write docs/results.md: `python make.py [NAME ...]`; without names only the page is written.

What an experiment gave is kept in `NAME.json` beside this file; the page tells those that are there.
"""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines import fashion_pixels, movies_words

from composer.cli import main as composer_command

__all__ = ["EXPERIMENTS", "page"]

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "results.md"
INTRODUCTION = """\
# It learns

Small experiments on real data, each by one command on one core. The test split of each was looked at once, by the
command that stands there; nothing was chosen by it. `examples/results` holds the documents; `prepare.py` makes their data of
what packages hold, and `make.py` runs them and writes this page. Intervals hold 95 % (exact binomial).
"""


@dataclass(frozen=True)
class Experiment:
    """One run, and what it is compared with."""

    name: str
    title: str
    text: str
    command: str
    task: str
    metric: str
    baseline: str
    """What the baseline is."""
    measure: Callable[[Path], float]
    """Its accuracy on the same test split."""


EXPERIMENTS: Sequence[Experiment] = (
    Experiment(
        "movies",
        "Text: sentences about films",
        "Whether 20 people found a sentence kind or unkind on average (Hutto and Gilbert, 2014). The encoder begins "
        "with the weights of all-MiniLM-L6-v2 and learns with a fresh head.",
        "composer train movies.yaml --data train=data/movies-train.jsonl --data test=data/movies-test.jsonl "
        "--epochs 2 --batch-size 32 --learning-rate 5e-5 --out runs/movies",
        "opinion",
        "exact_match",
        "words and pairs of words (TF-IDF) with a logistic regression",
        movies_words,
    ),
    Experiment(
        "fashion",
        "Pictures: clothing",
        "Fashion-MNIST in its official split (Xiao and others, 2017): a residual network of 4.9 million weights, which "
        "begins with fresh ones.",
        "composer train fashion.yaml --data data/fashion --epochs 3 --batch-size 64 --learning-rate 2e-3 "
        "--out runs/fashion",
        "clothing",
        "exact_match",
        "pixels with a logistic regression on 10,000 rows",
        fashion_pixels,
    ),
)


def run(experiment: Experiment) -> dict[str, Any]:
    """Train, read the scores out of the record of the run, and measure the baseline."""
    began = time.monotonic()
    code = composer_command(shlex.split(experiment.command)[1:])
    if code:
        raise SystemExit(code)
    return result(experiment, time.monotonic() - began)


def result(experiment: Experiment, seconds: float | None = None) -> dict[str, Any]:
    """What a run that has ended gave."""
    record = json.loads((HERE / "runs" / f"{experiment.name}.json").read_text())
    score = record["scores"]["test"][experiment.task]
    return {
        "score": score[experiment.metric],
        "samples": score["samples"],
        "baseline": round(experiment.measure(HERE / "data"), 4),
        "training_cpu_s": record["seconds"]["cpu"],
        "training_s": record["seconds"]["training"],
        "seed": record["recipe"]["seed"],
        "versions": record["versions"],
        **({} if seconds is None else {"whole_s": round(seconds, 1)}),
    }


def interval(share: float, count: int) -> tuple[float, float]:
    """The exact interval of a share (Clopper and Pearson, 1934)."""
    from scipy.stats import beta

    right = round(share * count)
    low = beta.ppf(0.025, right, count - right + 1) if right else 0.0
    high = beta.ppf(0.975, right + 1, count - right) if right < count else 1.0
    return float(low), float(high)


def page(found: dict[str, dict[str, Any]]) -> str:
    """The page of the results that are there."""
    lines = [INTRODUCTION]
    for experiment in EXPERIMENTS:
        if experiment.name not in found:
            continue
        it = found[experiment.name]
        low, high = interval(it["score"], it["samples"])
        measured = f"**{it['score']:.3f}** ({low:.3f} to {high:.3f}, {it['samples']:,} samples)"
        lines += [
            f"## {experiment.title}\n",
            f"{experiment.text}\n",
            "```sh\n" + experiment.command + "\n```\n",
            "| | right on the test split |",
            "|---|---|",
            f"| {experiment.name}.yaml, seed {it['seed']} | {measured} |",
            f"| {experiment.baseline} | {it['baseline']:.3f} |",
            "",
            f"Training took {it['training_cpu_s'] / 60:.0f} minutes of processor time.\n",
        ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--read", action="store_true", help="read runs that have ended instead of running them"
    )
    given = parser.parse_args()
    known = {experiment.name: experiment for experiment in EXPERIMENTS}
    for name in given.names:
        made = result(known[name]) if given.read else run(known[name])
        (HERE / f"{name}.json").write_text(json.dumps(made, indent=2) + "\n")
    found = {
        name: json.loads((HERE / f"{name}.json").read_text())
        for name in known
        if (HERE / f"{name}.json").is_file()
    }
    PAGE.write_text(page(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
