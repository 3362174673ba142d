"""Writes docs/checker.md: every broken document of tests/bad with what the checker says of it, measured now.

    python docs/make_checker_table.py            (--check: only say whether the page is up to date)

What Haystack says of the same mistake is read from docs/checker_haystack.json, which docs/checker_haystack.py records.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from composer.graph import check
from composer.language import Source
from composer.plugin import Registry, load_registry
from composer.problems.codes import CODES
from composer.problems.render import render

ROOT = Path(__file__).parents[1]
BAD = ROOT / "tests" / "bad"
PAGE = ROOT / "docs" / "checker.md"

sys.path.insert(0, str(ROOT / "tests" / "helpers"))
from expectations import expectations  # noqa: E402

HEAD = """\
# What the checker finds

This page is written by `docs/make_checker_table.py`. It runs `composer check` on every document of `tests/bad`, each
broken the way people break documents. `tests/bad/test_documents.py` holds each of them to its exact code, line and
column.

{counts}

## In one run

{runs}

```
{sample}
```

## All of them

*Found* says whether the fault itself, and nothing that only follows from it, is reported before any weight is loaded
and without importing torch; *place* is the line and column that is shown, *right* whether that is where the fault was
made. The last column is what Haystack {version} says of the same mistake where it can be made there: when it is loaded
(`Pipeline.loads`), only when it runs, or never. Haystack does not give lines.

| mistake | document | problem | found | place | right | Haystack |
|---|---|---|---|---|---|---|
"""

FAULTS = (
    ("name: video-qa", "nmae: video-qa"),
    ("width: $hidden", "width: $hiden"),
    ("text_encoder, with: {hidden: $hidden, heads", "text_encoder, with: {hidden: $hidden, head"),
    ("mplug2.universal_layers", "mplug2.universal_layer"),
    ("modality: text", "modality: txt"),
    ("call: vision,", "call: visions,"),
    ("states: words.states", "states: word.states"),
    ("uses: core.concat", "uses: core.conct"),
    ("answer: answer.text", "answer: answer.txt"),
)
"""Faults of tests/bad/parents/qa.yaml, five of which are made at a time."""


@dataclass(frozen=True)
class Row:
    """One broken document: what was to be found in it, and what was."""

    name: str
    mistake: str
    expected: tuple[str, ...]
    found: tuple[str, ...]

    @property
    def codes(self) -> list[str]:
        return list(dict.fromkeys(line.split()[1] for line in self.found))

    @property
    def places(self) -> list[str]:
        return [line.split()[2] for line in self.found]

    @property
    def complete(self) -> bool:
        """Whether each fault is found and nothing else is said."""
        return [line.split()[:2] for line in self.found] == [line.split()[:2] for line in self.expected]

    @property
    def exact(self) -> bool:
        return self.found == self.expected


def rows(registry: Registry) -> list[Row]:
    """Check every document in the folder of its own, as a user would."""
    os.chdir(BAD)
    made = []
    for path in sorted(Path().glob("*.yaml")):
        found = []
        for problem in check(path, registry=registry).problems:
            place = f"{problem.place.line}:{problem.place.column}"
            where = place if problem.place.file == path.name else f"{problem.place.file}:{place}"
            found.append(f"{problem.severity} {problem.code} {where}")
        expected = [str(line) for line in expectations(path)]
        made.append(Row(path.stem, mistake_of(path), tuple(expected), tuple(found)))
    return made


NAMELESS = {
    "binary": "A checkpoint in place of a document.",
    "empty": "An empty file.",
    "latin-1": "A file that is not written in UTF-8.",
}
"""The documents that cannot say themselves what is wrong with them."""


def mistake_of(path: Path) -> str:
    if path.stem in NAMELESS:
        return NAMELESS[path.stem]
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def runs_to_clear(registry: Registry) -> list[int]:
    """For every choice of five faults: runs until the document is clean, when whatever a run reports is then mended."""
    text = (BAD / "parents" / "qa.yaml").read_text(encoding="utf-8")
    counts = []
    for chosen in combinations(FAULTS, 5):
        remaining, runs = list(chosen), 0
        while remaining:
            spoilt = text
            for right, wrong in remaining:
                spoilt = spoilt.replace(right, wrong)
            lines = spoilt.splitlines()
            told = {p.place.line for p in check(Source("document.yaml", spoilt), registry=registry).problems}
            mended = [fault for fault in remaining if any(fault[1] in lines[line - 1] for line in told)]
            assert mended, f"nothing is said of {remaining}"
            remaining = [fault for fault in remaining if fault not in mended]
            runs += 1
        counts.append(runs)
    return counts


def haystack_cell(name: str, recorded: dict[str, Any]) -> str:
    entry = recorded["mistakes"].get(name)
    if entry is None:
        return ""
    when = {"load": "when loaded", "run": "only when run", "never": "never"}[entry["when"]]
    if not entry["message"]:
        return when
    message = entry["message"]
    short = message if len(message) <= 150 else message[:149].rstrip() + "…"
    return f"{when}: `{short.replace('|', '/').replace('`', '')}`"


def page() -> str:
    registry = load_registry()
    table = rows(registry)
    counts = runs_to_clear(registry)
    recorded = json.loads((ROOT / "docs" / "checker_haystack.json").read_text(encoding="utf-8"))
    assert "torch" not in sys.modules, "checking imported torch"
    complete, exact = sum(row.complete for row in table), sum(row.exact for row in table)
    shared = [entry for name, entry in recorded["mistakes"].items()]
    early = sum(entry["when"] == "load" for entry in shared)
    summary = (
        f"- {len(table)} documents; in {complete} of them exactly the faults made are reported, all at once, before "
        f"any weight is loaded;\n- {exact} of {len(table)} with the exact line and column;\n"
        f"- {len(shared)} of the mistakes can be made in Haystack too: it reports {early} when the pipeline is loaded, "
        f"{sum(entry['when'] == 'run' for entry in shared)} only when it runs, "
        f"{sum(entry['when'] == 'never' for entry in shared)} not at all."
    )
    runs = (
        f"A document with five faults, checked and mended until it is clean ({len(counts)} choices of five): "
        f"{max(counts)} run at most here. Haystack, which stops at the first, takes {recorded['runs_for_five_faults']}."
    )
    report = check("five-faults-in-shapes.yaml", registry=registry)
    sample = render(report.problems, report.sources).rstrip()
    head = HEAD.format(counts=summary, runs=runs, sample=sample, version=recorded["version"])
    return head + "".join(line_of(row, recorded) for row in table)


def line_of(row: Row, recorded: dict[str, Any]) -> str:
    problems = "<br>".join(f"{code} {CODES[code].title}" for code in row.codes)
    cells = (
        row.mistake,
        f"[{row.name}](../tests/bad/{row.name}.yaml)",
        problems,
        "yes" if row.complete else "no",
        "<br>".join(row.places),
        "yes" if row.exact else "no",
        haystack_cell(row.name, recorded),
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"


def main() -> int:
    text = page()
    if "--check" in sys.argv[1:]:
        return int(text != PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
