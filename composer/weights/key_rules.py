"""The rules of a layout: what becomes of a key of a checkpoint. No tensor is read and no torch is imported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from composer.plugin import Layout, Rule
from composer.plugin.answers import as_rules
from composer.plugin.asking import ask
from composer.sources.weights_error import WeightsError

__all__ = ["Assignment", "KeyRules", "compiled_pattern"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """One key that is loaded into one parameter, written `<module>.<parameter>`."""

    key: str
    target: str
    transform: str | None = None
    spare: bool = False
    """Whether the key is ignored where no parameter has the name."""


class KeyRules:
    """A layout's rules, compiled once."""

    def __init__(self, layout: Layout, parameters: Mapping[str, object]) -> None:
        self._layout = layout
        rules = ask(layout.rules, parameters, what=f"`rules` of {layout.title}", accept=as_rules)
        self._rules = [(rule, compiled_pattern(rule.pattern, layout)) for rule in rules]

    def apply(self, key: str) -> tuple[Assignment | None, str]:
        """The first rule that fully matches: an assignment, or None with the name of the rule that ignores the key.

        (None, "") says that no rule takes the key. An assignment of an optional or a spare rule comes with
        the rule's name.
        """
        for rule, pattern in self._rules:
            match = pattern.fullmatch(key)
            if match is None:
                continue
            if rule.target is None:
                return None, rule.name or rule.pattern
            reason = rule.name if rule.optional or rule.spare else ""
            target = self._expand(match, rule, rule.target)
            return Assignment(key, target, rule.transform, rule.spare), reason
        return None, ""

    def _expand(self, match: re.Match[str], rule: Rule, target: str) -> str:
        try:
            return match.expand(target)
        except (re.error, IndexError) as error:
            raise WeightsError(
                f"layout {self._layout.id}: the target {target!r} of rule {rule.pattern!r} is faulty: {error}"
            ) from None


def compiled_pattern(pattern: str, layout: Layout) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise WeightsError(f"layout {layout.id}: {pattern!r} is not a valid pattern: {error}") from None
