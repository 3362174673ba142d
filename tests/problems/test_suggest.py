"""What an unknown word means: a slip of the fingers has one cure; what may be another name has a hint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.problems import Place
from composer.problems.spelling import distance, is_slip
from composer.problems.suggest import listed, nearest, suggest, unknown

PLACE = Place("a.yaml", 1, 1, 1, 9, 0, 8)


@pytest.mark.parametrize(
    ("word", "meant"),
    [("visoin", "vision"), ("visin", "vision"), ("vission", "vision"), ("Vision", "vision"), ("nme", "name"),
     ("text-encoder", "text_encoder"), ("textencoder", "text_encoder"), ("uinversal_layer", "universal_layers"),
     ("layer1s_a", "layers1_a"), ("tyo", "toy")],
)  # fmt: skip
def test_a_slip(word: str, meant: str) -> None:
    assert is_slip(word, meant) == (word != "layer1s_a")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("encoder_b", "encoder_a"), ("layer1", "layer2"), ("layer", "layer2"), ("encoder", "decoder"),
     ("vision", "fusion"), ("encoder", "encoder_a"), ("x", "y"), ("in", "on"), ("test", "text"), ("max", "min"),
     ("states_in", "states_on"), ("left", "lift"), ("image_encoder", "text_encoder"), ("v1.text", "v2.text")],
)  # fmt: skip
def test_another_name(word: str, meant: str) -> None:
    assert not is_slip(word, meant)
    assert not is_slip(meant, word)


def test_a_changed_letter_makes_another_of_the_names_that_authors_make_up() -> None:
    assert is_slip("sourse", "source")
    assert not is_slip("sourse", "source", coined=True)


def test_a_plural_is_a_name_of_its_own_where_the_other_is_in_use() -> None:
    assert suggest("expert", ["experts"], PLACE, coined=True).fix
    assert not suggest("expert", ["experts"], PLACE, coined=True, used=["experts"]).fix
    assert suggest("exprts", ["experts"], PLACE, coined=True, used=["experts"]).fix


def test_of_two_that_are_equally_near_none_is_written() -> None:
    found = suggest("wrds", ["words", "wards", "other"], PLACE)
    assert found.fix == ()
    assert found.helps == ("did you mean `words` or `wards`?",)


@given(st.text("abc_1", max_size=8), st.text("abc_1", max_size=8))
def test_the_distance_is_a_distance(word: str, other: str) -> None:
    assert distance(word, other) == distance(other, word)
    assert (distance(word, other) == 0) == (word == other)
    assert abs(len(word) - len(other)) <= distance(word, other) <= max(len(word), len(other))


@given(st.text(max_size=12), st.text(max_size=12))
def test_what_is_a_slip_one_way_keeps_numbers_and_separators(word: str, other: str) -> None:
    if is_slip(word, other):
        assert [c for c in word if c.isdigit()] == [c for c in other if c.isdigit()]


def test_of_many_names_the_nearest_are_listed() -> None:
    names = [f"node_{number}" for number in range(10_000)]
    shown = listed("nodes_77", names)
    assert "node_77" in shown
    assert shown.endswith(" more")
    assert len(shown) < 200
    assert listed("x", []) == "none"
    assert listed("x", ["b", "a"]) == "b, a"


def test_a_word_of_any_length_is_answered() -> None:
    assert nearest("a" * 1_000_000, ["a" * 999_999, "b"]) is None
    assert suggest("word", [None, 1, "words"], PLACE).word == "words"


def test_an_unknown_name_from_outside() -> None:
    assert str(unknown("task", "capton", ["caption", "qa"])) == (
        "there is no task `capton`; did you mean `caption`? There are: caption, qa"
    )
    assert str(unknown("task", "x", ["caption"])) == "there is no task `x`. There are: caption"
    assert str(unknown("input", ["x", "imag"], ["image", "text"], "tiny", likely=["image"])) == (
        "tiny has no input `x` and `imag`; did you mean `image`? There are: image, text"
    )
    assert "did you mean" not in str(unknown("input", "imag", ["image", "text"], likely=["text"]))
    assert str(unknown("task", "x", [], "tiny")) == "tiny has no task `x`. There are: none"


def test_a_name_that_is_a_part_of_the_word_is_nearer_than_one_that_shares_letters() -> None:
    meant = suggest("image_size", ["size", "resize", "crop"], PLACE)
    assert (meant.word, meant.fix) == ("size", ())
    assert nearest("decoder.generate", ["encoder", "decoder"]) == "decoder"
    assert nearest("a_b", ["a", "b"]) is None
