"""Sizes over free dimensions, by whatever names tasks have for them."""

from __future__ import annotations

import pytest

from composer.types import parse_form


@pytest.mark.parametrize(
    ("text", "symbol", "size"),
    [
        ("first/tokens.length + 17", "first/tokens.length", 21),
        ("a/b/c-2.batch", "a/b/c-2.batch", 4),
        ("first/tokens.length // 3", "first/tokens.length", 1),
        ("N//3", "N", 1),
        ("2*first/tokens.length", "first/tokens.length", 8),
    ],
)
def test_a_name_may_be_a_path(text: str, symbol: str, size: int) -> None:
    form = parse_form(text)
    assert form.symbols == (symbol,)
    assert form.at({symbol: 4}) == size
    assert parse_form(str(form)) == form


@pytest.mark.parametrize("text", ["a/", "/a", "a/2", "a / b"])
def test_a_quotient_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_form(text)
