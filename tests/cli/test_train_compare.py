"""`composer train` and `composer compare` on what they cannot use."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_a_document_without_a_recipe_is_not_trained(composer, document: Path) -> None:
    done = composer("train", document)
    assert (done.code, done.out) == (1, "")
    assert "has no training recipe" in done.err
    assert [path.name for path in Path().iterdir()] == ["vectors.yaml"]


def test_a_document_with_errors_is_not_trained(composer, document: Path) -> None:
    document.write_text(document.read_text().replace("heads: 4", "head: 4"))
    done = composer("train", document)
    assert done.code == 1
    assert "error[C101]" in done.err


@pytest.mark.parametrize(
    "arguments", [[], ["x.yaml", "--epochs", "0"], ["x.yaml", "--threads", "two"], ["x.yaml", "--seed", "a"]]
)
def test_wrong_usage_of_train(composer, arguments: list[str]) -> None:
    assert composer("train", *arguments).code == 2


@pytest.mark.parametrize("content", [None, "", "a: [", "run: nothing\n", "- a\n"])
def test_a_case_that_cannot_be_read_is_one_error(composer, document: Path, content: str | None) -> None:
    case = Path("case.yaml")
    if content is not None:
        case.write_text(content)
    done = composer("compare", case)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(("composer: error: ", "error[C"))
    assert "case.yaml" in done.err
    assert done.err.count("error") <= 2  # the error itself, and the line that counts it
