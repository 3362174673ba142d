"""Write the tables of docs/quickstart.md from the records beside the weights and beside this script.

python benchmarks/quickstart/report.py [--check]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "quickstart.md"

SCORES = (
    ("image-qa", "accuracy", "questions on easy-VQA pictures answered right"),
    ("image-caption", "exact match", "captions of easy-VQA pictures right word for word"),
    ("video-caption", "direction", "directions right, clips of unseen digits"),
    ("video-caption", "digit", "digits right, unseen in training"),
    ("video-caption", "exact match", "captions of clips right word for word"),
)


def scores_table(record: Mapping[str, Any], baselines: Mapping[str, Any]) -> str:
    """Every measured score of the shipped weights, validation beside test, with the baselines of image-qa."""
    validation, test = record["scores"]["validation"], record["scores"]["test"]
    lines = ["| task | what | validation | test | samples (test) |", "| --- | --- | --- | --- | --- |"]
    for task, score, what in SCORES:
        samples = f"{test[task]['samples']:,}"
        lines.append(
            f"| `{task}` | {what} | {validation[task][score]:.4f} | **{test[task][score]:.4f}** | {samples} |"
        )
    for name, value in baselines["accuracy"].items():
        lines.append(f"| `image-qa` | baseline: {name} | | {value:.4f} | {baselines['test questions']:,} |")
    return "\n".join(lines)


def making_table(record: Mapping[str, Any]) -> str:
    """How the weights were made."""
    seconds = record["seconds"]
    recipe = record["recipe"]
    rows = {
        "command": f"`{record['command']}`",
        "seed": recipe["seed"],
        "epochs": recipe["epochs"],
        "parameters": f"{record['parameters']['total']:,}",
        "weights": f"`{record['weights']['file']}`, {record['weights']['bytes'] / 1e6:.2f} MB",
        "training": (
            f"{seconds['training'] / 60:.0f} minutes by the clock on {record['cores']} cores shared with other work, "
            f"{seconds['cpu'] / 60:.0f} minutes of processor time, {_counted(recipe['threads'], 'thread')}"
        ),
        "versions": ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
    }
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ablation_table(ablation: Mapping[str, Any] | None) -> str:
    """One line per run of the ablation, or the sentence that says that there was none."""
    if ablation is None:
        return "Not measured yet: `python benchmarks/quickstart/ablation.py` trains the two other runs."
    columns = [(task, score) for task, score, _ in SCORES[:4]]
    heads = ["run", "parameters", *(f"{task}: {score}" for task, score in columns), "processor minutes"]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for title, run in ablation["runs"].items():
        test = run["scores"]["test"]
        cells = [f"{test[task][score]:.4f}" if task in test else "" for task, score in columns]
        cpu = f"{run['seconds']['cpu'] / 60:.0f}"
        lines.append(f"| {title} | {run['parameters']['total']:,} | {' | '.join(cells)} | {cpu} |")
    return "\n".join(lines)


def filled(page: str, tables: Mapping[str, str]) -> str:
    """The page with what stands between `<!-- name -->` and `<!-- end -->` replaced."""
    for name, table in tables.items():
        head, mark, rest = page.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition("<!-- end -->")
        if not mark or not end:
            raise SystemExit(f"{PAGE} has no place for the table `{name}`")
        page = f"{head}{mark}\n{table}\n\n{end}{tail}"
    return page


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 when the page is out of date"
    )
    args = parser.parse_args()
    record, measured = read(ROOT / "graphs" / "quickstart.json"), HERE / "ablation.json"
    ablation = read(measured) if measured.exists() else None
    if ablation is not None and ablation["weights"] != record["weights"]["sha256"]:
        raise SystemExit(f"{measured} belongs to other weights: remove it, and run ablation.py again")
    tables = {
        "scores": scores_table(record, read(HERE / "baselines.json")),
        "making": making_table(record),
        "ablation": ablation_table(ablation),
    }
    page = PAGE.read_text(encoding="utf-8")
    new = filled(page, tables)
    if args.check:
        sys.exit(0 if new == page else f"{PAGE} is out of date: run benchmarks/quickstart/report.py")
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
