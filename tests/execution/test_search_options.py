"""Options of searches through the public doors, on the trained weights of the quick start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from searches_of_quickstart import PICTURE, SEARCHES, captions

import composer
from composer.cli import main
from composer.problems import DocumentError, InputError

CAPTION = "a blue rectangle"


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return captions(tmp_path_factory.mktemp("searches"))


@pytest.fixture(scope="session")
def model(written: Path) -> Any:
    return composer.load(written, weights="quickstart")


def said(model: Any, task: str, **raw: Any) -> Any:
    return model.run(task, image=PICTURE, **raw)["caption"]


def streamed(model: Any, task: str, **raw: Any) -> list[str]:
    return list(model.stream(task, image=PICTURE, **raw))


def test_rules_change_what_is_written(model: Any) -> None:
    assert said(model, "plain") == CAPTION
    assert "blue" not in said(model, "without-blue")
    assert said(model, "begins").split()[0] == "the"
    assert said(model, "without-run") not in (CAPTION, "")
    assert "blue rectangle" not in said(model, "without-run")


@pytest.mark.parametrize("task", ["stopped", "stopped-beams", "stopped-draws"])
def test_a_text_ends_before_a_stop_string_wherever_tokens_end(model: Any, task: str) -> None:
    """`e rect` begins inside one token and ends inside another."""
    assert said(model, task) == "a blu"
    assert "".join(streamed(model, task)) == "a blu"


def test_a_search_with_a_stop_string_ends_soon(model: Any) -> None:
    runner = model.runner("stopped-long")
    ids = model.run("stopped-long", image=PICTURE)["ids"]
    assert len(ids) < 8
    assert runner.plan.task.nodes["caption"].decoding.options.max_tokens == 20


@pytest.mark.parametrize("task", [name for name in SEARCHES if name != "choices"])
def test_a_stream_is_the_text(model: Any, task: str) -> None:
    seed = {"seed": 3} if "draws" in task else {}
    assert "".join(streamed(model, task, **seed)) == said(model, task, **seed)


def test_seeds_repeat_alone_and_in_a_batch(model: Any) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    alone = [
        model.run("draws", image=each, seed=seed)["caption"] for each, seed in ((PICTURE, 5), (picture, 6))
    ]
    assert model.run("draws", image=[PICTURE, picture], seed=[5, 6])["caption"] == alone
    assert model.run("draws", image=[picture, PICTURE], seed=[6, 5])["caption"] == alone[::-1]
    assert model.run("draws", image=[PICTURE, PICTURE], seed=5)["caption"] == [alone[0]] * 2
    assert len({str(model.run("draws", image=[PICTURE] * 4)["caption"]) for _ in range(3)}) > 1


@pytest.mark.parametrize(
    ("seed", "told"),
    [([1, 2], "2 seeds are given for 1 samples"), ([], "not []"), ([1, -1], "not -1"), (1.5, "not 1.5")],
)
def test_seeds_that_do_not_do_are_told(model: Any, seed: Any, told: str) -> None:
    with pytest.raises(InputError) as caught:
        model.run("draws", image=PICTURE, seed=seed)
    assert told in str(caught.value)


WORDS = Path(__file__).parents[2] / "graphs" / "quickstart.words.txt"
SEVERAL = """
composer: 1
extends: quickstart
tasks:
  told:
    inputs: {prompt: {modality: prompt, with: {template: "zebra {q} zeb{q}", tokenizer: WORDS, max_tokens: 24}}}
    nodes: {words: {call: text, inputs: {tokens: prompt.tokens}}}
    outputs: {states: words}
  image-qa:
    nodes: {answer: {with: {max_tokens: 5, search: {uses: core.choices, with: {answers: [red, purple]}}}}}
  image-caption:
    nodes: {caption: {with: {search: {uses: core.beam, with: {beams: 3, forbidden: [red, lion], first: lynx}}}}}
"""


def test_choices_are_ranked(model: Any, written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = model.run("choices", image=[PICTURE, PICTURE])
    assert found["caption"] == ["a blue rectangle"] * 2
    names = [each["name"] for each in found["ranking"][0]]
    assert names[0] == "a blue rectangle"
    assert found["chances"].shape == (2, 3)
    assert float(found["chances"].sum(1)[0]) == pytest.approx(1.0)
    command = ["run", f"{written}:choices", "--weights", "quickstart", f"image={PICTURE}"]
    assert main([*command, "--json"]) == 0
    answered = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in answered["ranking"]] == names
    chance = answered["ranking"][0]["probability"]
    assert chance == pytest.approx(found["ranking"][0][0]["probability"], abs=1e-4)
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert f"caption: a blue rectangle\nranking:\n  a blue rectangle  {chance:.4f}  ██" in printed


@pytest.mark.parametrize(
    ("search", "code", "told"),
    [
        (
            "{uses: core.choices, with: {answers: [red, purple]}}",
            "C281",
            "the vocabulary cannot spell 'purple'",
        ),
        ("{uses: core.choices, with: {answers: [Red, red]}}", "C280", "are one to its tokenizer"),
        ("{uses: core.greedy, with: {forbidden: [purple]}}", "C281", "the vocabulary cannot spell 'purple'"),
        ("{uses: core.greedy, with: {last: a circle}}", "C281", "is one token, and 'a circle' takes 2"),
        (
            "{uses: core.greedy, with: {first: a a a a a a a a a a a}}",
            "C280",
            "`first` has 11 tokens, and no text has more than 10",
        ),
    ],
)
def test_options_that_the_tokenizer_cannot_write_are_told_where_they_stand(
    written: Path, tmp_path: Path, search: str, code: str, told: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        f"composer: 1\nextends: {written}\ntasks:\n  choices: null\n  plain:\n    nodes:\n"
        f"      caption: {{with: {{max_tokens: 10, search: null}}}}\n"
    )
    path.write_text(path.read_text().replace("search: null", f"search: {search}"))
    with pytest.raises(DocumentError) as caught:  # before any weight is read
        composer.load(path, weights="no-such-file", tasks=["plain"])
    (problem,) = caught.value.problems
    assert (problem.code, problem.place.line) == (code, 7)
    assert told in problem.message


def test_all_words_that_cannot_be_written_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "several.yaml").write_text(SEVERAL.replace("WORDS", json.dumps(str(WORDS))))
    with pytest.raises(DocumentError) as caught:
        composer.load(tmp_path / "several.yaml", weights="quickstart")
    found = sorted((each.code, each.place.line) for each in caught.value.problems)
    assert found == [("C206", 6), ("C281", 10), ("C281", 12), ("C281", 12)]
    assert all(each.helps for each in caught.value.problems)


def test_answers_come_from_a_file_or_a_parameter(written: Path, tmp_path: Path) -> None:
    (tmp_path / "answers.txt").write_text("a blue rectangle\na red circle\n")
    for value, parameters in (
        ("answers.txt", ""),
        ("$list", "parameters: {list: [a blue rectangle, a red circle]}\n"),
    ):
        path = tmp_path / "listed.yaml"
        path.write_text(
            f"composer: 1\nextends: {written}\n{parameters}tasks:\n  choices:\n    nodes:\n      caption:\n"
            f"        with: {{search: {{with: {{answers: {value}}}}}}}\n"
        )
        model = composer.load(path, weights="quickstart", tasks=["choices"])
        assert model.run("choices", image=PICTURE)["chances"].shape == (2,)
