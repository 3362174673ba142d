"""Writes models.json, what is known of every model of the installed timm: `python -m composer_timm.make_table`.

Each model is built once on the meta device, which takes a second or two; what was found is kept beside `--out` as
lines of JSON, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from composer_timm.facts import TABLE, Facts

__all__ = ["main", "table_of"]

SAMPLES = 2
"""Models of each class that are built at twice their size, to see whether their places follow from it."""
SHAPES = ("size", "channels", "tokens", "prefix", "pooled", "map", "levels", "classes", "takes_size")

Record = dict[str, Any]


def scan(names: Iterable[str], file: Path) -> Iterator[Record]:
    """A record for every name: those that the file holds, and those that are asked now."""
    from composer_timm.probing import probe

    held = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    yield from held
    seen: defaultdict[str, int] = defaultdict(int)
    for record in held:
        seen[record.get("facts", {}).get("kind", "")] += "twice" in record or "twice_error" in record
    known = {record["name"] for record in held}
    for name in (each for each in names if each not in known):
        record = _record(name, seen, probe)
        with file.open("a") as lines:
            lines.write(json.dumps(record) + "\n")
        yield record


def _record(name: str, seen: defaultdict[str, int], probe: Any) -> Record:
    try:
        facts = probe(name, {})
    except Exception as error:  # what cannot be built here is left out of the table, and said
        return {"name": name, "error": f"{type(error).__name__}: {error}"[:300]}
    record = {"name": name, "facts": facts}
    if seen[facts["kind"]] < SAMPLES:
        seen[facts["kind"]] += 1
        try:
            record["twice"] = probe(name, {"image_size": 2 * facts["size"][0]})
        except Exception as error:
            record["twice_error"] = f"{type(error).__name__}: {error}"[:300]
    return record


def table_of(records: Iterable[Record], version: str, tags: dict[str, dict[str, Record]]) -> str:
    """The table as text: JSON with every model on a line of its own. `tags` holds data configs by name and tag."""
    found = [record for record in records if "facts" in record]
    grows = _growing(found)
    preparations: list[Record] = []

    def number(given: Record) -> int:
        if given not in preparations:
            preparations.append(given)
        return preparations.index(given)

    lines = []
    for record in sorted(found, key=lambda each: str(each["name"])):
        facts = record["facts"]
        shapes = {key: facts[key] for key in SHAPES}
        if facts["levels"] is not None:
            shapes["levels"] = _counted(facts["levels"])
        if facts["kind"] in grows:
            shapes["grows"] = True
        own = {key: facts[key] for key in ("mean", "std", "interpolation", "crop", "mode")}
        entry = {
            "facts": shapes,
            "preparation": number(own),
            "tags": {tag: number(config) for tag, config in tags.get(record["name"], {}).items()},
        }
        lines.append(f"{json.dumps(record['name'])}: {json.dumps(entry, separators=(',', ':'))}")
    head = [f'"timm version": {json.dumps(version)}']
    head.append(f'"preparations": {json.dumps(preparations, separators=(",", ":"))}')
    return "{\n" + ",\n".join([*head, *lines]) + "\n}\n"


def _growing(records: Iterable[Record]) -> set[str]:
    """The classes whose models at twice their size are what the facts at their own say."""
    grows, fails = set[str](), set[str]()
    for record in records:
        kind = record["facts"]["kind"]
        if "twice" in record:
            said = Facts.of({**record["facts"], "grows": True}).at(record["twice"]["size"][0])
            seen = Facts.of({**record["twice"], "grows": True})
            shapes = ("tokens", "map", "levels", "pooled")
            same = said is not None and all(getattr(said, key) == getattr(seen, key) for key in shapes)
            (grows if same else fails).add(kind)
        elif "twice_error" in record:
            fails.add(kind)
    return grows - fails


def _counted(levels: list[list[int]]) -> list[list[Any]]:
    """`[level, times]` for levels that repeat."""
    found: list[list[Any]] = []
    for level in levels:
        if found and found[-1][0] == level:
            found[-1][1] += 1
        else:
            found.append([level, 1])
    return found


def tags_of(names: Iterable[str]) -> dict[str, dict[str, Record]]:
    """The data config of every tag of every model, as timm resolves it."""
    import timm
    from timm.data import resolve_data_config

    known = set(names)
    found: dict[str, dict[str, Record]] = {}
    for full in timm.list_models(pretrained=True):
        bare, _, tag = full.partition(".")
        config = timm.get_pretrained_cfg(full)
        if bare not in known or not tag or config is None:
            continue
        data = resolve_data_config(pretrained_cfg=config.to_dict())
        found.setdefault(bare, {})[tag] = {
            "mean": list(data["mean"]),
            "std": list(data["std"]),
            "interpolation": data["interpolation"],
            "crop": data["crop_pct"],
            "mode": data["crop_mode"],
            "input": list(data["input_size"][1:]),
            "answers": config.num_classes or 0,
        }
    return found


def main() -> int:
    """Ask every model and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=TABLE)
    parser.add_argument("--kept", type=Path, help="lines of a run that was stopped")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    import timm

    names = timm.list_models()
    kept = options.kept or options.out.with_suffix(".part.jsonl")
    records = []
    for number, record in enumerate(scan(names, kept), 1):
        records.append(record)
        if "error" in record:
            print(f"{record['name']} is left out: {record['error']}", file=sys.stderr)
        if number % 50 == 0:
            print(f"{number} of {len(names)}", file=sys.stderr)
    options.out.write_text(table_of(records, timm.__version__, tags_of(names)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
