"""The formats for tools: their structure, their escaping, and that nothing of a problem is lost."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from composer.problems import Edit, Note, Place, Problem
from composer.problems.render import FORMATS, render, summary

PROBLEM = Problem(
    "C203",
    "error",
    "100% wrong: a, b\r\nsecond line",
    Place("a b,c:d.yaml", 3, 5, 3, 9, 20, 24),
    "label",
    (Note(Place("base.yaml", 1, 2, 4, 3, 1, 40), "why"),),
    ("do this", "or that"),
    (Edit("a b,c:d.yaml", 20, 24, "new"), Edit("base.yaml", 1, 1, "x")),
)
FILE_PROBLEM = Problem("C001", "warning", "cannot be read", Place("gone.yaml", 0, 0))

# The parts of the published schema that a reader of our logs relies on.
SARIF_SCHEMA = json.loads((Path(__file__).parent / "sarif_essentials.json").read_text())


def test_json_lists_every_part_of_a_problem() -> None:
    (found,) = json.loads(render([PROBLEM], {}, "json"))
    assert found == {
        "code": "C203",
        "severity": "error",
        "message": "100% wrong: a, b\r\nsecond line",
        "label": "label",
        "place": {
            "file": "a b,c:d.yaml",
            "line": 3,
            "column": 5,
            "end_line": 3,
            "end_column": 9,
            "start": 20,
            "end": 24,
        },
        "notes": [
            {
                "label": "why",
                "place": {
                    "file": "base.yaml",
                    "line": 1,
                    "column": 2,
                    "end_line": 4,
                    "end_column": 3,
                    "start": 1,
                    "end": 40,
                },
            }
        ],
        "helps": ["do this", "or that"],
        "fix": [
            {"file": "a b,c:d.yaml", "start": 20, "end": 24, "text": "new"},
            {"file": "base.yaml", "start": 1, "end": 1, "text": "x"},
        ],
    }


def test_json_of_nothing_is_an_empty_list() -> None:
    assert json.loads(render([], {}, "json")) == []


def test_json_objects_have_the_same_keys_whatever_is_empty() -> None:
    full, bare = json.loads(render([PROBLEM, FILE_PROBLEM], {}, "json"))
    assert list(full) == list(bare)


def test_github_escapes_properties_and_message() -> None:
    assert render([PROBLEM], {}, "github") == (
        "::error title=composer C203,file=a b%2Cc%3Ad.yaml,line=3,endLine=3,col=5,endColumn=9"
        "::100%25 wrong: a, b%0D%0Asecond line%0Alabel%0Abase.yaml:1:2: why%0Ahelp: do this%0Ahelp: or that\n"
    )


def test_github_gives_a_file_problem_no_line() -> None:
    assert (
        render([FILE_PROBLEM], {}, "github")
        == "::warning title=composer C001,file=gone.yaml::cannot be read\n"
    )


def test_github_gives_no_columns_over_several_lines() -> None:
    found = Problem("C102", "error", "m", Place("a.yaml", 3, 5, 6, 2))
    assert render([found], {}, "github") == "::error title=composer C102,file=a.yaml,line=3,endLine=6::m\n"


@pytest.mark.parametrize("problems", [[], [PROBLEM], [FILE_PROBLEM, PROBLEM, PROBLEM]])
def test_sarif_has_the_published_structure(problems: list[Problem]) -> None:
    log = json.loads(render(problems, {}, "sarif"))
    jsonschema.validate(log, SARIF_SCHEMA)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [p.code for p in problems]


def test_sarif_keeps_places_notes_and_fixes() -> None:
    (result,) = json.loads(render([PROBLEM], {}, "sarif"))["runs"][0]["results"]
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "a%20b%2Cc%3Ad.yaml"
    assert physical["region"] == {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 9}
    assert result["relatedLocations"][0]["message"]["text"] == "why"
    changes = result["fixes"][0]["artifactChanges"]
    assert changes[0]["replacements"] == [
        {"deletedRegion": {"charOffset": 20, "charLength": 4}, "insertedContent": {"text": "new"}}
    ]


def test_a_problem_of_the_command_line_names_no_file() -> None:
    found = Problem("C103", "error", "no such parameter", Place("<command line>", 1, 7, 1, 13))
    assert render([found], {}, "github") == "::error title=composer C103::no such parameter\n"
    log = json.loads(render([found], {}, "sarif"))
    jsonschema.validate(log, SARIF_SCHEMA)
    assert log["runs"][0]["results"][0]["locations"] == [{"logicalLocations": [{"name": "<command line>"}]}]
    assert summary([found]) == "1 error"
    assert summary([found, PROBLEM]) == "2 errors in 1 file"


def test_sarif_names_an_absolute_file_by_its_uri(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    found = Problem("C101", "error", "m", Place(str(file), 1, 1))
    (result,) = json.loads(render([found], {}, "sarif"))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == file.as_uri()


def test_an_unknown_format_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=re.escape(", ".join(FORMATS))):
        render([], {}, "xml")
