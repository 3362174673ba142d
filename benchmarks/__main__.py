"""Runs the benchmarks, one JSON each, and writes the table: `python -m benchmarks [TOPIC ...] [--quick --out DIR]`."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import Any

from benchmarks.measuring import Row, machine
from benchmarks.table import table

__all__ = ["main"]

ROOT = Path(__file__).parents[1]
TOPICS = {
    "cold_start": "Starting",
    "checking": "Parsing and checking",
    "overhead": "Running a graph",
    "families": "Models of timm and transformers",
    "answer": "Answering",
    "encoding": "Near the limit",
    "memory": "Memory",
    "compile": "Compiling",
    "artifact": "Artifacts",
    "sharing": "Many tasks in one artifact",
    "reading": "Reading pictures and clips",
    "rows": "Many rows",
    "training": "Training",
    "published": "Beside the published code",
    "language": "Language models",
    "language_artifact": "Language models, compiled",
    "asking": "A picture and its questions",
    "evaluating": "Evaluating",
}

ASKED = ("published",)
"""Topics that need what nobody has at hand, and run only where they are named."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "topics", nargs="*", metavar="TOPIC", help=f"of {', '.join(TOPICS)}; all of them without"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that the scripts work")
    parser.add_argument(
        "--out", type=Path, help="folder for the JSONs and the table; the repository's own without"
    )
    given = parser.parse_args(arguments)
    unknown = [topic for topic in given.topics if topic not in TOPICS]
    if unknown:
        parser.error(f"there is no topic {', '.join(unknown)} (topics: {', '.join(TOPICS)})")
    if given.quick and given.out is None:
        parser.error(
            "--quick needs --out: its numbers are no measurements and do not belong in the repository"
        )
    results = given.out or ROOT / "benchmarks" / "results"
    page = given.out / "benchmarks.md" if given.out else ROOT / "docs" / "benchmarks.md"
    results.mkdir(parents=True, exist_ok=True)
    for topic in given.topics or [name for name in TOPICS if name not in ASKED]:
        print(f"{topic} ...", flush=True)
        rows: list[Row] = []
        for row in importlib.import_module(f"benchmarks.{topic}").measure(quick=given.quick):
            print(f"  {row.what}: {_shown(row.to_json())}", flush=True)
            rows.append(row)
        result = {"title": TOPICS[topic], "machine": machine(), "rows": [row.to_json() for row in rows]}
        text = json.dumps(result, indent=2, ensure_ascii=False)
        (results / f"{topic}.json").write_text(text + "\n", encoding="utf-8")
    known: dict[str, Any] = {
        topic: json.loads((results / f"{topic}.json").read_text(encoding="utf-8"))
        for topic in TOPICS
        if (results / f"{topic}.json").exists()
    }
    page.write_text(table(known), encoding="utf-8")
    return 0


def _shown(row: dict[str, Any]) -> str:
    parts = [row["note"] if row["value"] is None else f"{row['value']:.4g} {row['unit']}"]
    parts += [f"ratio {row['ratio']:.3g}"] if row["ratio"] is not None else []
    parts += (
        [f"budget {row['budget']}: {'met' if row['met'] else 'MISSED'}"] if row["met"] is not None else []
    )
    return ", ".join(part for part in parts if part)


if __name__ == "__main__":
    raise SystemExit(main())
