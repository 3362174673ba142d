"""Two questions to the quick start model: does joint training help, and do shared universal layers?

python benchmarks/quickstart/ablation.py [--epochs N] [--only NAME] [--out benchmarks/quickstart/ablation.json]

Every run takes the shipped recipe with the same seed, the same data and the same number of epochs. Runs that the
output file already holds for the same recipe are kept, so that the script can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from composer.training import train_document

HERE = Path(__file__).parent
RECIPE = HERE.parents[1] / "graphs" / "training" / "quickstart.yaml"

RUNS: dict[str, dict[str, Any]] = {
    "joint, shared": {"name": "quickstart"},
    "image-qa alone": {"name": "quickstart", "tasks": ["image-qa"]},
    "image-qa and image-caption": {"name": "quickstart", "tasks": ["image-qa", "image-caption"]},
    "joint, separate": {"name": HERE / "separate.yaml"},
}
KEPT = ("parameters", "scores", "seconds", "recipe")


def run(title: str, epochs: int, folder: Path) -> dict[str, Any]:
    """Train one variant; returns what the table needs of its record."""
    out = folder / title.replace(", ", "-").replace(" ", "-")
    record = train_document(out=out, recipe=RECIPE, epochs=epochs, **RUNS[title])
    kept = {key: record[key] for key in KEPT}
    return {**kept, "last losses": record["curve"][-1]["losses"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, required=True, help="length of every run")
    parser.add_argument("--only", choices=list(RUNS), help="do this run alone")
    parser.add_argument(
        "--folder", type=Path, default=Path("build/ablation"), help="where weights and records go"
    )
    parser.add_argument("--out", type=Path, default=HERE / "ablation.json")
    args = parser.parse_args()
    result: dict[str, Any] = {"epochs": args.epochs, "runs": {}}
    if args.out.exists():
        earlier = json.loads(args.out.read_text(encoding="utf-8"))
        result = earlier if earlier["epochs"] == args.epochs else result
    for title in [args.only] if args.only else RUNS:
        if title not in result["runs"]:
            result["runs"][title] = run(title, args.epochs, args.folder)
            args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
