"""A value that is written as YAML on one line is read back as it is."""

from __future__ import annotations

from documents import resolved
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.language.yaml_line import yaml_line

ODD = [
    "",
    " ",
    "yes",
    "NO",
    "Null",
    "~",
    ".inf",
    "-.INF",
    "1_0",
    "0o7",
    "1e3",
    "$x",
    "a: b",
    "a #b",
    "- a",
    "=",
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(ODD)
VALUES = st.recursive(
    TEXTS | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS.filter(str.strip), inner, max_size=3),
    max_leaves=6,
)


@given(value=VALUES)
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_read_back(value: object) -> None:
    text = f"composer: 1\nparameters: {{a: {yaml_line([value])}}}\n"
    assert len(text.splitlines()) == 2
    found = resolved(text).parameters["a"]
    assert found == [value]
