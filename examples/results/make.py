"""Run experiments and write docs/results.md: `python make.py [NAME ...]`; without names only the page is written.

`--trained` scores weights that a run left before; `--jobs` makes so many runs of several seeds at a time. What an
experiment gave is kept in `NAME.json` beside this file, and the page tells those that are whole; runs of several seeds
that are there already are not done again.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from fnmatch import fnmatch
from math import prod
from multiprocessing import get_context
from operator import itemgetter
from pathlib import Path
from typing import Any

from experiments import EXPERIMENTS, FAMILIES, Arm, Experiment, Family

from composer.cli import main as composer_command

__all__ = ["EXPERIMENTS", "FAMILIES", "page", "run_arm"]

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "results.md"
INTRODUCTION = """\
# It learns

Small experiments on real data, each by the commands that stand there, one core for each run. Nothing was chosen by a
test split. `examples/results` holds the documents; `prepare.py` makes their data of what packages hold or draws them,
and `make.py` runs them and writes this page. Intervals hold 95 %.
"""


def follow(command: str) -> None:
    """Do what a command line says, in this process. Raises SystemExit where it fails."""
    if code := composer_command(shlex.split(command)[1:]):
        raise SystemExit(code)


def run(experiment: Experiment, *, trained: bool) -> dict[str, Any]:
    """Train, unless that is done, score the weights, and measure the baselines."""
    for command in (experiment.train, experiment.evaluate)[trained:]:
        follow(command)
    record = _read(HERE / "runs" / f"{experiment.name}.json")
    report = _read(HERE / "runs" / f"{experiment.name}-scores" / "report.json")
    return {
        "scores": report["scores"],
        "samples": report["samples"] - report["failed"],
        "baselines": {
            what: [round(value, 4) for value in measure(HERE / "data")]
            for what, measure in experiment.baselines.items()
        },
        "seed": record["recipe"]["seed"],
        "seconds": record["seconds"],
        "versions": record["versions"],
    }


def run_family(family: Family, jobs: int) -> None:
    """Do the runs that are not there, seed by seed and so many `jobs` at a time, and keep what each gave."""
    file = HERE / f"{family.name}.json"
    kept = _read(file) if file.is_file() else {arm.label: [] for arm in family.arms}
    missing = [
        (arm, seed)
        for seed in family.seeds
        for arm in family.arms
        if seed not in [each["seed"] for each in kept.setdefault(arm.label, [])]
    ]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        made = {pool.submit(run_arm, family, arm, seed): arm.label for arm, seed in missing}
        for done in as_completed(made):
            kept[made[done]] = sorted([*kept[made[done]], done.result()], key=itemgetter("seed"))
            _write(file, kept)


def run_arm(
    family: Family, arm: Arm, seed: int, *, folder: Path = HERE / "runs", more: str = ""
) -> dict[str, Any]:
    """Train all parts of an arm with one seed, by `more` options too; returns its scores on the test split, how many
    parameters it has and the processor time of training.
    """
    scores, parameters, seconds = dict[str, float](), 0, 0.0
    begun = ""
    if arm.begin:
        before = _trained(folder / family.name, arm.begin, seed, more)
        seconds += _read(before.with_suffix(".json"))["seconds"]["cpu"]
        begun = f"--weights {shlex.quote(str(before))} {arm.begin_options}"
    for part in arm.parts:
        weights = _trained(
            folder / family.name, f"{part} {family.options}", seed, f"{begun} {more}", arm.begin
        )
        record = _read(weights.with_suffix(".json"))
        found = record["scores"]["test"]
        scores |= {t: found[task][name] for t, (task, name) in family.scores.items() if task in found}
        parameters += _used(weights, record["parameters"]["total"], arm.unused)
        seconds += record["seconds"]["cpu"]
    return {"seed": seed, "scores": scores, "parameters": parameters, "cpu": round(seconds, 1)}


def _trained(folder: Path, part: str, seed: int, more: str, begin: str = "") -> Path:
    """Train a part after what it `begin`s with; returns its weights."""
    out = folder / f"{re.sub('[^a-z0-9]+', '-', f'{begin} {part}'.strip())}-{seed}.safetensors"
    follow(f"composer train {part} --seed {seed} --out {shlex.quote(str(out.with_suffix('')))} {more}")
    return out


def _used(weights: Path, all_of_them: int, unused: Sequence[str]) -> int:
    """How many parameters some task uses."""
    from safetensors import safe_open

    with safe_open(weights, "np") as opened:
        names = [name for name in opened.keys() if any(fnmatch(name, each) for each in unused)]  # noqa: SIM118
        idle = [opened.get_slice(name).get_shape() for name in names]
        return all_of_them - sum(map(prod, idle))


def page(found: Mapping[str, dict[str, Any]]) -> str:
    """The page of the results that are there."""
    lines = [INTRODUCTION]
    for experiment in EXPERIMENTS:
        if experiment.name in found:
            lines += _experiment(experiment, found[experiment.name])
    for family in FAMILIES:
        if is_whole(family, found.get(family.name, {})):
            lines += _family(family, found[family.name])
    return "\n".join(lines)


def is_whole(family: Family, it: Mapping[str, Sequence[Mapping[str, Any]]]) -> bool:
    """Whether every seed of every arm is there."""
    return all([run["seed"] for run in it.get(arm.label, ())] == [*family.seeds] for arm in family.arms)


def _experiment(experiment: Experiment, it: Mapping[str, Any]) -> list[str]:
    reranked = [f"{metric} reranked" for metric in experiment.metrics]
    closer = [[experiment.closer, *_measured(reranked, it)]] if experiment.closer else []
    return [
        f"## {experiment.title}\n",
        f"{experiment.text}\n",
        f"```sh\n{experiment.train}\n{experiment.evaluate}\n```\n",
        *_table(
            ["", *experiment.metrics.values()],
            [
                [
                    f"{experiment.name}.yaml, seed {it['seed']}, {it['samples']:,} samples",
                    *_measured(experiment.metrics, it),
                ],
                *closer,
                *([what, *(f"{each:.3f}" for each in values)] for what, values in it["baselines"].items()),
            ],
        ),
        f"\nTraining took {_minutes(it['seconds']['cpu'])} of processor time.\n",
    ]


def _measured(metrics: Iterable[str], it: Mapping[str, Any]) -> list[str]:
    """Each score with its interval."""
    shown = []
    for metric in metrics:
        score = it["scores"][metric]
        low, high = score["interval"]
        shown.append(f"**{score['value']:.3f}** ({low:.3f} to {high:.3f})")
    return shown


def _family(family: Family, it: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    rows = []
    for arm in family.arms:
        runs, shown = it[arm.label], []
        for title in family.scores:
            values = [run["scores"][title] for run in runs]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            shown.append(
                f"{statistics.mean(values):.3f} ± {spread:.3f} ({min(values):.3f} to {max(values):.3f})"
            )
        sizes = [f"{runs[0]['parameters']:,}"] if family.sizes else []
        rows.append([arm.label, *sizes, *shown, _minutes(sum(run["cpu"] for run in runs))])
    return [
        f"## {family.title}\n",
        f"{family.text}\n",
        "```sh\n" + "\n".join(_commands(family)) + "\n```\n",
        f"Mean and deviation over seeds {', '.join(map(str, family.seeds))}; in brackets the least, the most.\n",
        *_table(
            [
                "",
                *(["parameters that are used"] if family.sizes else []),
                *family.scores,
                "processor time, all seeds",
            ],
            rows,
        ),
        "",
    ]


def _commands(family: Family) -> list[str]:
    """One for each run of a seed, without those that are alike."""
    found = []
    for arm in family.arms:
        found += [f"composer train {arm.begin} --seed SEED --out BEGUN"] if arm.begin else []
        begun = f" --weights BEGUN.safetensors {arm.begin_options}".rstrip() if arm.begin else ""
        found += [f"composer train {part} {family.options} --seed SEED{begun}" for part in arm.parts]
    return [*dict.fromkeys(found)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(each)} |".replace("|  |", "| |", 1) for each in (head, ["---"] * len(head), *rows)
    ]


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _write(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--trained", action="store_true", help="score weights that a run left before")
    parser.add_argument(
        "--jobs", type=int, default=2, help="runs of several seeds at a time; 2 when left out"
    )
    given = parser.parse_args()
    experiments = {each.name: each for each in EXPERIMENTS}
    families = {each.name: each for each in FAMILIES}
    for name in given.names:
        if name in families:
            run_family(families[name], given.jobs)
        else:
            _write(HERE / f"{name}.json", run(experiments[name], trained=given.trained))
    files = {name: HERE / f"{name}.json" for name in (*experiments, *families)}
    PAGE.write_text(
        page({name: _read(file) for name, file in files.items() if file.is_file()}), encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
