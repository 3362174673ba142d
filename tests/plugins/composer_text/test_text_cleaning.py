"""Text cleaning, against every recorded result of the published code."""

from __future__ import annotations

from typing import Any

import pytest
from composer_text.cleaning import clean_caption, clean_question, cut_words


@pytest.mark.parametrize(("key", "clean"), [("pre_question", clean_question), ("pre_caption", clean_caption)])
def test_cleaning_is_as_recorded(recorded: dict[str, Any], key: str, clean: Any) -> None:
    cases = recorded[key]
    assert len(cases) == 24
    for text, max_words, expected in cases:
        assert cut_words(clean(text), max_words) == expected, text


def test_no_limit_keeps_all_words() -> None:
    assert cut_words("a b  c", None) == "a b  c"
