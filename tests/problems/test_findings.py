"""One value owns the problems of a file and what is silenced: causes are told once, consequences not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from composer.problems import Effect, Findings, Place, Problem
from composer.problems.problem import Severity

NODE = ("tasks", "qa", "nodes", "answer")


def problem(line: int, code: str = "C206", severity: Severity = "error") -> Problem:
    return Problem(code, severity, f"fault of line {line}", Place("a.yaml", line, 1))


def test_problems_are_kept_in_the_order_of_their_finding() -> None:
    findings = Findings([problem(3)])
    findings.add(problem(1))
    findings.extend([problem(2), problem(1)])
    assert [found.place.line for found in findings] == [3, 1, 2, 1]
    assert len(findings) == 4


def test_one_cause_is_told_once() -> None:
    findings = Findings()
    first = findings.add(problem(1), "a")
    assert findings.add(problem(2), "a") is first
    assert findings.add(problem(3), "b") is not first
    assert [found.place.line for found in findings] == [1, 3]


def test_any_of_several_causes_is_known_afterwards() -> None:
    findings = Findings()
    first = findings.add(problem(1), "a", "b")
    assert findings.repeat("c", "b") is first
    assert findings.repeat("c") is None


def test_a_finding_is_completed_in_its_place() -> None:
    findings = Findings()
    first = findings.add(problem(1))
    findings.add(problem(2))
    first.problem = replace(first.problem, message="fault of two lines")
    assert [found.message for found in findings] == ["fault of two lines", "fault of line 2"]


def test_a_scope_knows_what_was_found_since() -> None:
    findings = Findings([problem(1)])
    scope = findings.scope()
    assert findings.failed
    assert not scope.failed
    findings.add(problem(2, severity="warning"))
    assert not scope.failed
    findings.add(problem(3))
    assert scope.failed
    assert [found.place.line for found in scope] == [2, 3]
    assert not findings.scope().failed


@pytest.mark.parametrize("again", ["add", "repeat"])
def test_a_cause_that_is_told_already_fails_another_scope_too(again: str) -> None:
    findings = Findings()
    findings.add(problem(1), "a")
    scope = findings.scope()
    assert findings.repeat("b") is None
    assert not scope.failed
    if again == "add":
        findings.add(problem(2), "a")
    else:
        findings.repeat("a")
    assert scope.failed
    assert not list(scope)


def test_warnings_are_no_failure() -> None:
    assert not Findings([problem(1, "C217", "warning")]).failed


def test_places_and_effects_are_asked_of_all_problems() -> None:
    findings = Findings([problem(4), problem(5, "C103")])
    assert findings.stands_at(Place("a.yaml", 4, 1))
    assert not findings.stands_at(Place("a.yaml", 4, 2))
    assert findings.has(Effect.UNSETTLES)
    assert not findings.has(Effect.SPOILS_ITS_PLACE)


@pytest.mark.parametrize(
    ("path", "is_silent", "touches", "within"),
    [
        (NODE, True, True, True),
        (NODE[:-1], False, True, True),
        (NODE[:-2], False, False, True),
        ((), False, False, True),
        ((*NODE, "inputs"), False, False, False),
        (("tasks", "qa", "nodes", "other"), False, False, False),
    ],
)
def test_what_is_silenced_is_known_on_the_way_to_it(
    path: tuple[str, ...], is_silent: bool, touches: bool, within: bool
) -> None:
    findings = Findings()
    findings.silence(NODE)
    assert findings.is_silent(path) is is_silent
    assert findings.touches(path) is touches
    assert findings.is_silent_within(path) is within


def test_keys_come_in_the_order_of_their_finding() -> None:
    findings = Findings()
    findings.silence(("modules", "b", "with"), ("modules", "z"), ("modules", "a"), ("modules", "z"))
    assert findings.silent_keys(("modules",)) == ["z", "a"]
    assert findings.touched_keys(("modules",)) == ["b", "z", "a"]
    assert findings.silent_keys(("tasks",)) == []


def test_the_whole_file_may_be_silenced() -> None:
    findings = Findings()
    findings.silence(())
    assert findings.is_silent(())
    assert not findings.touched_keys(())


def test_a_doubt_silences_nothing() -> None:
    findings = Findings()
    findings.doubt(("modules",))
    assert findings.is_in_doubt(("modules",))
    assert not findings.is_in_doubt(("modules", "a"))
    assert not findings.touches(("modules",))


def test_a_copy_goes_its_own_way() -> None:
    findings = Findings()
    first = findings.add(problem(1), "a")
    findings.silence(NODE)
    findings.doubt(("modules",))
    copy = findings.copy()
    copy.silence((*NODE, "inputs"))
    copy.doubt(("tasks", "qa"))
    again = copy.add(problem(2), "a")
    again.problem = problem(9)
    copy.add(problem(3), "b")
    assert again is not first
    assert [found.place.line for found in copy] == [9, 3]
    assert [found.place.line for found in findings] == [1]
    assert copy.is_silent(NODE)
    assert copy.is_in_doubt(("modules",))
    assert copy.failed
    assert not findings.touched_keys(NODE)
    assert not findings.is_in_doubt(("tasks", "qa"))
    assert findings.repeat("b") is None
