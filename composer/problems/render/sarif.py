"""Problems as SARIF 2.1.0, the exchange format of code scanning services.

Source: OASIS, Static Analysis Results Interchange Format 2.1.0 (sections 3.27 result, 3.30 region, 3.55 fix).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from composer.problems.place import Place
from composer.problems.problem import Edit, Note, Problem
from composer.problems.render.machine import json_text

__all__ = ["problems_sarif"]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def problems_sarif(problems: Iterable[Problem]) -> str:
    """A SARIF log with one run; the rules are the codes that occur, with their title and explanation."""
    from importlib.metadata import version

    found = tuple(problems)
    codes = sorted({problem.code for problem in found})
    driver = {
        "name": "composer",
        "version": version("multimodal-composer"),
        "rules": [_rule(code) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(problem, codes.index(problem.code)) for problem in found],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json_text(log) + "\n"


def _rule(code: str) -> dict[str, object]:
    from composer.problems.codes import CODES

    if code not in CODES:
        return {"id": code}
    known = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": known.title},
        "fullDescription": {"text": known.explanation},
        "defaultConfiguration": {"level": known.severity},
    }


def _result(problem: Problem, rule: int) -> dict[str, object]:
    text = [problem.message, *(f"help: {text}" for text in problem.helps)]
    result: dict[str, object] = {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.severity,
        "message": {"text": "\n".join(text)},
        "locations": [_location(problem.place, problem.label)],
    }
    if problem.notes:
        result["relatedLocations"] = [_related(number, note) for number, note in enumerate(problem.notes)]
    if problem.fix:
        result["fixes"] = [_fix(problem.fix)]
    return result


def _location(place: Place, label: str) -> dict[str, object]:
    location: dict[str, object] = {"message": {"text": label}} if label else {}
    if not place.is_in_file:
        return location | {"logicalLocations": [{"name": place.file}]}
    physical: dict[str, object] = {"artifactLocation": {"uri": _uri(place.file)}}
    if place.line:
        physical["region"] = {
            "startLine": place.line,
            "startColumn": max(place.column, 1),
            "endLine": place.end_line or place.line,
            "endColumn": place.end_column or max(place.column, 1),
        }
    return location | {"physicalLocation": physical}


def _related(number: int, note: Note) -> dict[str, object]:
    return {"id": number, **_location(note.place, note.label)}


def _fix(edits: tuple[Edit, ...]) -> dict[str, object]:
    by_file: dict[str, list[Mapping[str, object]]] = {}
    for edit in edits:
        region = {"charOffset": edit.start, "charLength": edit.end - edit.start}
        replacement = {"deletedRegion": region, "insertedContent": {"text": edit.text}}
        by_file.setdefault(edit.file, []).append(replacement)
    changes = [
        {"artifactLocation": {"uri": _uri(file)}, "replacements": replacements}
        for file, replacements in by_file.items()
    ]
    return {"artifactChanges": changes}


def _uri(file: str) -> str:
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
