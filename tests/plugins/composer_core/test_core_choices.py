"""A fixed list of answers: probabilities against every answer written out, in as many passes as the tree has levels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from composer_core.choices import Choice
from tiny_gpt2 import END, POLICIES, START, Prefix, TinyGpt2, recorded

from composer.execution.captured_search import DecoderSearch
from composer.plugin import Framing
from composer.plugin.implementations import bind_search
from composer.problems import InputError

WEIGHTS, _ = recorded()
ANSWERS = ["ab", "a", "abc", "d", "dab"]


class Letters:
    """`a` is the token 3, and so on; capitals are read as small."""

    size = 24

    def decode(self, ids: Any) -> str:
        return "".join(chr(94 + id) for id in ids if id >= 3)

    def spell(self, text: str) -> list[int]:
        if not text.isalpha():
            raise InputError(f"{text!r} has other signs than letters")
        return [ord(letter) - 94 for letter in text.lower()]


def bound(answers: list[str], most: int = 8, **options: Any) -> Any:
    policy = POLICIES["core.choices"]
    config = policy.config.model_validate({"answers": answers, **options})
    framing = Framing(START, (END,), 0, 1, most)
    return bind_search(
        policy, config, framing, beams=policy.beams(config), streams=False, tokenizer=Letters()
    )


def chosen(search: Any, rows: list[int], *, prompted: bool = False) -> tuple[list[Any], int]:
    model = TinyGpt2(WEIGHTS)
    cache = Prefix(WEIGHTS["prompts"][rows], torch.zeros(len(rows), search.beams, 0, dtype=torch.int64))
    with torch.no_grad():
        first = model.scores(cache) if prompted else None
        found = DecoderSearch(search, model, captures=False).find(cache, len(rows), 0, first=first)
    return list(found), model.steps


def log_probability(answer: str, row: int, *, prompted: bool = False) -> float:
    """By feeding the answer token by token, behind the start token or a prompt."""
    total, fed = 0.0, [] if prompted else [START]
    for token in [*Letters().spell(answer), END]:
        cache = Prefix(WEIGHTS["prompts"][row : row + 1], torch.tensor([[fed]], dtype=torch.int64))
        total += float(TinyGpt2(WEIGHTS).scores(cache)[0, 0].log_softmax(-1)[token])
        fed.append(token)
    return total


@pytest.mark.parametrize(("penalty", "prompted"), [(0.0, False), (1.0, False), (0.0, True)])
def test_probabilities_are_those_of_the_answers_written_out(penalty: float, prompted: bool) -> None:
    search = bound(ANSWERS, length_penalty=penalty)
    found, _ = chosen(search, [0, 1, 2], prompted=prompted)
    shown = search.outputs(found, torch.device("cpu"))
    for row, choices in enumerate(found):
        scores = [
            log_probability(answer, row, prompted=prompted) / (len(answer) + 1) ** penalty
            for answer in ANSWERS
        ]
        expected = torch.tensor(scores).softmax(0)
        torch.testing.assert_close(shown["probabilities"][row], expected, rtol=1e-4, atol=1e-6)
        best = max(range(len(ANSWERS)), key=scores.__getitem__)
        assert choices[0].text == ANSWERS[best] == shown["ranking"][row][0]["name"]
        assert choices[0].score == pytest.approx(scores[best], abs=1e-4)
        assert sum(each["probability"] for each in shown["ranking"][row]) == pytest.approx(1)


def test_there_are_as_many_passes_as_levels() -> None:
    """`abc` and its end are four tokens, the start is fed first: of all five answers no more."""
    found, steps = chosen(bound(ANSWERS), [0, 1])
    assert steps == 4
    alone, _ = chosen(bound(ANSWERS), [1])
    assert [each.text for each in found[1]] == [each.text for each in alone[0]]


def test_one_answer_is_certain() -> None:
    ((only,),), _ = chosen(bound(["d"]), [0])
    assert isinstance(only, Choice)
    assert (only.text, only.probability) == ("d", 1.0)


@pytest.mark.parametrize(
    ("answers", "most", "told"),
    [
        (["a b"], 8, "answer 'a b' cannot be written: 'a b' has other signs than letters"),
        (["Ab", "aB"], 8, "the answers 'Ab' and 'aB' are one to the tokenizer"),
        (
            ["a", "abcde"],
            5,
            "answer 'abcde' takes 6 tokens with its end, and `max_tokens` is 5: write `max_tokens: 6`",
        ),
    ],
)
def test_answers_that_cannot_be_chosen_are_named(answers: list[str], most: int, told: str) -> None:
    with pytest.raises(InputError) as caught:
        bound(answers, most)
    assert told in str(caught.value)
