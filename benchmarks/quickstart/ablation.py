"""Two questions to the quick start model: does joint training help, and do shared universal layers?

python benchmarks/quickstart/ablation.py [--only NAME] [--out benchmarks/quickstart/ablation.json]

Every run takes the recipe of the shipped weights: the same data and number of epochs, and the same seed where it names
none. The joint run with shared layers is the shipped one itself; further seeds of it say what a difference means. Runs
that the output file already holds are kept, so that the script can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from composer.training import train_document

HERE = Path(__file__).parent
GRAPHS = HERE.parents[1] / "graphs"
RECIPE = GRAPHS / "training" / "quickstart.yaml"
SHIPPED = "joint, shared universal layers (shipped)"
RUNS: dict[str, dict[str, Any]] = {
    **{
        f"joint, shared universal layers, seed {seed}": {"name": "quickstart", "seed": seed}
        for seed in (0, 2)
    },
    "image-qa alone": {"name": "quickstart", "tasks": ["image-qa"]},
    "joint, separate universal layers": {"name": HERE / "separate.yaml"},
}
KEPT = ("parameters", "scores", "seconds")


def run(title: str, folder: Path) -> dict[str, Any]:
    """Train one variant; returns what the table needs of its record."""
    out = folder / title.replace(", ", "-").replace(" ", "-")
    checkpoint = out.with_suffix(".checkpoint")
    return _kept(train_document(out=out, recipe=RECIPE, resume=checkpoint.exists(), **RUNS[title]))


def _kept(record: Mapping[str, Any]) -> dict[str, Any]:
    return {**{key: record[key] for key in KEPT}, "last losses": record["curve"][-1]["losses"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(RUNS), help="do this run alone")
    parser.add_argument(
        "--folder", type=Path, default=Path("build/ablation"), help="where weights and records go"
    )
    parser.add_argument("--out", type=Path, default=HERE / "ablation.json")
    args = parser.parse_args()
    shipped = json.loads((GRAPHS / "quickstart.json").read_text(encoding="utf-8"))
    result: dict[str, Any] = {"weights": shipped["weights"]["sha256"], "runs": {SHIPPED: _kept(shipped)}}
    if args.out.exists():
        earlier = json.loads(args.out.read_text(encoding="utf-8"))
        result = earlier if earlier["weights"] == result["weights"] else result
    for title in [args.only] if args.only else RUNS:
        if title not in result["runs"]:
            result["runs"][title] = run(title, args.folder)
            args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
