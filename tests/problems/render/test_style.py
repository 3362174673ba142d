"""Colours are for terminals whose user wants them."""

from __future__ import annotations

import io

import pytest

from composer.problems.render import wants_color


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_a_terminal_is_coloured_unless_the_environment_says_no(
    environment: dict[str, str], expected: bool
) -> None:
    assert wants_color(Terminal(), environment) is expected


def test_a_file_is_never_coloured() -> None:
    assert not wants_color(io.StringIO(), {})
