"""Run experiments and write docs/results.md: `python make.py [NAME ...]`; without names only the page is written.

`--trained` scores weights that a run left before.

What an experiment gave is kept in `NAME.json` beside this file; the page tells those that are there.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines import movies_words

from composer.cli import main as composer_command

__all__ = ["EXPERIMENTS", "page"]

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "results.md"
INTRODUCTION = """\
# It learns

Small experiments on real data, each by one command on one core. The test split of each was looked at once, by the
command that stands there; nothing was chosen by it. `examples/results` holds the documents; `prepare.py` makes their
data of what packages hold, and `make.py` runs them and writes this page. Intervals hold 95 %.
"""


@dataclass(frozen=True)
class Experiment:
    """One run, and what it is compared with."""

    name: str
    title: str
    text: str
    train: str
    evaluate: str
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
        "composer evaluate movies.yaml --weights runs/movies.safetensors --data data/movies-test.jsonl "
        "--out runs/movies-scores",
        "exact_match",
        "words and pairs of words (TF-IDF) with a logistic regression",
        movies_words,
    ),
)


def run(experiment: Experiment, *, trained: bool) -> dict[str, Any]:
    """Train, unless that is done, score the weights, and measure the baseline."""
    for command in (experiment.train, experiment.evaluate)[trained:]:
        code = composer_command(shlex.split(command)[1:])
        if code:
            raise SystemExit(code)
    runs = HERE / "runs"
    record = json.loads((runs / f"{experiment.name}.json").read_text())
    report = json.loads((runs / f"{experiment.name}-scores" / "report.json").read_text())
    return {
        "scores": report["scores"],
        "samples": report["samples"] - report["failed"],
        "baseline": round(experiment.measure(HERE / "data"), 4),
        "seed": record["recipe"]["seed"],
        "seconds": record["seconds"],
        "versions": record["versions"],
    }


def page(found: Mapping[str, dict[str, Any]]) -> str:
    """The page of the results that are there."""
    lines = [INTRODUCTION]
    for experiment in EXPERIMENTS:
        if (it := found.get(experiment.name)) is None:
            continue
        score = it["scores"][experiment.metric]
        low, high = score["interval"]
        measured = f"**{score['value']:.3f}** ({low:.3f} to {high:.3f}, {it['samples']:,} samples)"
        lines += [
            f"## {experiment.title}\n",
            f"{experiment.text}\n",
            f"```sh\n{experiment.train}\n{experiment.evaluate}\n```\n",
            "| | right on the test split |",
            "|---|---|",
            f"| {experiment.name}.yaml, seed {it['seed']} | {measured} |",
            f"| {experiment.baseline} | {it['baseline']:.3f} |",
            "",
            f"Training took {it['seconds']['cpu'] / 60:.0f} minutes of processor time.\n",
        ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--trained", action="store_true", help="score weights that a run left before")
    given = parser.parse_args()
    known = {experiment.name: experiment for experiment in EXPERIMENTS}
    for name in given.names:
        made = run(known[name], trained=given.trained)
        (HERE / f"{name}.json").write_text(json.dumps(made, indent=2) + "\n")
    files = {name: HERE / f"{name}.json" for name in known}
    found = {name: json.loads(file.read_text()) for name, file in files.items() if file.is_file()}
    PAGE.write_text(page(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
