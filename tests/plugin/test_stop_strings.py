"""Stop strings token by token, against the text of all tokens; and streams, which never show a part of one."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from composer.execution import text_pieces
from composer.plugin import Framing
from composer.plugin.stop_strings import before_stop, begun_stop, stop_table

PIECES = ["", "ab", "a", "b", " a", "ba", "abc", "\n", "\n\n", "Q:", ":", "Q", "<|", "|>", "end", "n"]
STOPS = [["ab"], ["\n\n", "Q:"], ["<|end|>"], ["aab", "aba"], [" a"], ["nn", "n"]]


class Joined:
    """A tokenizer that puts pieces together; the space before the first is no text, as of many tokenizers."""

    size = len(PIECES)

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(PIECES[id] for id in ids).removeprefix(" ")


@pytest.mark.parametrize("stops", STOPS, ids=str)
def test_the_table_knows_of_a_stop_string_when_the_text_holds_one(stops: list[str]) -> None:
    table = stop_table(Joined(), Joined.size, stops)
    over, begin = len(table) - 1, len(table) - 2
    draw = random.Random(5)
    held = 0
    near = [id for id, piece in enumerate(PIECES) if set(piece) & set("".join(stops))]
    for _ in range(400):
        ids = draw.choices([*range(Joined.size), *near, *near], k=draw.randrange(1, 9))
        state = begin
        for place, id in enumerate(ids, 1):
            state = table[state][id]
            holds = any(stop in Joined().decode(ids[:place]) for stop in stops)
            assert (state == over) == holds
        held += state == over
    assert 0 < held < 400


@pytest.mark.parametrize("stops", STOPS, ids=str)
def test_a_stream_shows_the_text_before_a_stop_string_and_no_part_of_it(stops: list[str]) -> None:
    draw = random.Random(6)
    framing = Framing(0, (0,), 0, 0, 12)
    for _ in range(200):
        ids = [draw.randrange(1, Joined.size) for _ in range(draw.randrange(1, 12))]
        expected = before_stop(Joined().decode([0, *ids]), stops)
        shown = ""
        for piece in text_pieces(iter(ids), Joined(), framing, stops):
            shown += piece
            assert expected.startswith(shown)
        assert shown == expected


def test_what_may_become_a_stop_string_is_counted() -> None:
    assert [begun_stop(text, ["###", "#!"]) for text in ("a#", "a##", "a#b", "", "##")] == [1, 2, 0, 0, 2]
    assert before_stop("one. two! three", ["!", "."]) == "one"
