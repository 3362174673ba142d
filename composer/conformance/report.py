"""What the conformance kit found, one result per promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from composer.problems import ComposerError

__all__ = ["ConformanceError", "ConformanceReport", "Failure", "Outcome", "Result", "Skip"]

Outcome = Literal["pass", "fail", "skip"]


class ConformanceError(ComposerError):
    """A plugin that breaks promises; the text lists them all."""


class Failure(Exception):  # noqa: N818 (an outcome of a check, caught by the kit)
    """Raised by a check: the promise is broken, and how."""


class Skip(Exception):  # noqa: N818 (as above)
    """Raised by a check: the promise cannot be tested here, and why."""


@dataclass(frozen=True, slots=True)
class Result:
    """One promise of one subject. `reason` says how it was broken, why it was skipped, or what was measured."""

    subject: str
    check: str
    outcome: Outcome
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.outcome:<4}  {self.check}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class ConformanceReport:
    """All results of one plugin. Printed, a list by subject with the count at the end."""

    plugin: str
    results: tuple[Result, ...]

    @property
    def failures(self) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.outcome == "fail")

    @property
    def passed(self) -> bool:
        return not self.failures

    def raise_for_failures(self) -> None:
        """Raises ConformanceError that lists every broken promise."""
        if self.failures:
            broken = [f"  {each.subject}: {each.check}: {each.reason}" for each in self.failures]
            raise ConformanceError("\n".join([f"{self.plugin} breaks {len(broken)} promises:", *broken]))

    def as_dict(self) -> dict[str, object]:
        results = [asdict(result) for result in self.results]
        return {"plugin": self.plugin, "passed": self.passed, "results": results}

    def __str__(self) -> str:
        lines = [self.plugin]
        for subject in dict.fromkeys(result.subject for result in self.results):
            lines.append(f"  {subject}")
            lines += _rows([result for result in self.results if result.subject == subject])
        count = Counter(result.outcome for result in self.results)
        lines.append(f"{count['pass']} passed, {count['skip']} skipped, {count['fail']} failed")
        return "\n".join(lines)


def _rows(results: Iterable[Result]) -> list[str]:
    """Plain passes share a line; whatever has something to say has its own."""
    plain = [result.check for result in results if result.outcome == "pass" and not result.reason]
    rows = [f"    pass  {', '.join(plain)}"] if plain else []
    return rows + [f"    {result}" for result in results if result.outcome != "pass" or result.reason]
