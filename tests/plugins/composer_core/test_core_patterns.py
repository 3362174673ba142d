"""Patterns find what they say, in a time that grows with the text alone, and what RE2 does not take is refused."""

from __future__ import annotations

import pytest
from composer_core.patterns import Pattern


def test_groups_are_found_in_the_order_of_the_pattern() -> None:
    pattern = Pattern(
        r"Request:\s*(?P<request>harmful|unharmful)(?:.*\n)+?Response: (?P<response>\S+)(?P<more>!)?"
    )
    assert pattern.groups == ("request", "response", "more")
    text = "é <result>\nRequest: unharmful\nso\nResponse: none"
    assert pattern.find(text) == {"request": "unharmful", "response": "none", "more": None}
    assert pattern.find("Request: neither") is None


@pytest.mark.parametrize(
    "pattern", [r"(?P<a>(?:a|a)*)b", r"(?P<a>(?:a*)*)b", r"(?P<a>a*a*a*a*a*)b", "(?P<a>(?:a+)+)$b"]
)
def test_no_pattern_takes_exponential_time(pattern: str) -> None:
    assert Pattern(pattern).find("a" * 2000) is None  # Python's engine does not come back from this


def test_letters_may_be_small_or_capital() -> None:
    assert Pattern("(?P<a>straße|[k-m]+)", ignore_case=True).find("xLMK") == {"a": "LMK"}
    assert Pattern("(?P<a>[k-m]+)").find("LMK") is None
    assert Pattern(r"(?P<a>\pL+)").find("12 straße") == {"a": "straße"}


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        r"(?P<a>a)(?P=a)",
        r"(a)\1",
        "(a",
        "a{9999}",
        "(?:(?:a{99}){99}){9}",
        "[a",
        "(?P<a>a)(?P<a>b)",
    ],
)
def test_what_has_no_bound_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="is not a pattern of RE2: "):
        Pattern(pattern)
