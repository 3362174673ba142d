"""The benchmarks run, at sizes that measure nothing, and the committed table is what their results say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import TOPICS
from benchmarks.measuring import Row
from benchmarks.table import table

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


SLOW = (
    "overhead",
    "families",
    "encoding",
    "compile",
    "artifact",
    "sharing",
    "reading",
    "rows",
    "training",
    "language",
    "language_artifact",
    "asking",
    "evaluating",
)


@pytest.mark.parametrize(
    "topic", ["checking", *(pytest.param(topic, marks=pytest.mark.slow) for topic in SLOW)]
)
def test_a_quick_run_writes_results_and_a_table(topic: str, tmp_path: Path) -> None:
    done = run(topic, "--quick", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / f"{topic}.json").read_text())
    assert result["title"] == TOPICS[topic]
    assert any(row["value"] is not None and row["value"] > 0 for row in result["rows"])
    page = (tmp_path / "benchmarks.md").read_text()
    assert page == table({topic: result})
    assert page.count("\n|") == len(result["rows"]) + 2


def test_an_unknown_topic_and_a_quick_run_into_the_repository_are_refused() -> None:
    for arguments in (("nothing",), ("--quick",)):
        done = run(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_what_the_repository_does_not_hold_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMPOSER_PUBLISHED_CODE", raising=False)
    done = run("published", "--quick", "--out", str(tmp_path))
    assert done.returncode == 1
    assert "COMPOSER_PUBLISHED_CODE names no checkout of the published code" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_that_is_not_installed_is_said_so(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['haystack'] = None; sys.modules['hamilton'] = None\n"
        f"from benchmarks.__main__ import main; main(['overhead', '--quick', '--out', {str(tmp_path)!r}])"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "benchmarks.md").read_text().count("not installed") == 2


def test_the_committed_table_is_written_from_the_committed_results() -> None:
    folder = ROOT / "benchmarks" / "results"
    files = {topic: folder / f"{topic}.json" for topic in TOPICS}
    results = {t: json.loads(file.read_text(encoding="utf-8")) for t, file in files.items() if file.exists()}
    assert results
    assert (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8") == table(results)


@pytest.mark.parametrize(
    ("value", "ratio", "budget", "met"),
    [
        (1.0, None, "<= 1.5", True),
        (2.0, None, "<= 1.5", False),
        (2.0, 1.2, "<= 1.5", True),
        (9.0, 5.0, ">= 6", False),
        (9.0, 7.0, ">= 6", True),
        (9.0, None, "", None),
        (None, None, "<= 1", None),
    ],
)
def test_a_budget_holds_the_ratio_or_else_the_value(
    value: float | None, ratio: float | None, budget: str, met: bool | None
) -> None:
    assert Row("x", value, "s", ratio=ratio, budget=budget).met is met
