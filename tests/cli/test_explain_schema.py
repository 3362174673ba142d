"""`composer explain` and `composer schema`."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator as Validator

from composer.cli import main
from composer.problems.codes import CODES


def test_all_codes_are_listed(composer) -> None:
    lines = composer("explain").out.splitlines()
    assert [line[:4] for line in lines] == list(CODES)


@pytest.mark.parametrize("typed", ["C203", "c203"])
def test_one_code_is_explained_with_both_examples(composer, typed: str) -> None:
    done = composer("explain", typed)
    assert done.code == 0
    code = CODES["C203"]
    for text in (code.title, code.explanation, "Wrong:", "Right:"):
        assert text in done.out
    assert all(f"  {line}" in done.out for line in (code.bad + code.good).splitlines())


def test_an_unknown_code_is_an_unknown_name(composer) -> None:
    done = composer("explain", "C999")
    assert (done.code, done.out) == (1, "")
    assert "there is no code 'C999'" in done.err


@pytest.fixture(scope="module")
def documents() -> Validator:
    return printed("schema")


@pytest.fixture(scope="module")
def recipes() -> Validator:
    return printed("schema", "--recipe")


def printed(*arguments: str) -> Validator:
    """The schema that a command prints, itself held to what a schema is: once, for it takes a second."""
    with redirect_stdout(io.StringIO()) as out:
        assert main([*arguments]) == 0
    found = json.loads(out.getvalue())
    Validator.check_schema(found)
    return Validator(found)


RECIPE = yaml.safe_load(CODES["C403"].good)


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"epoch": 2},
        {"learning_rate": "fast"},
        {"tasks": {"video-caption": {**RECIPE["tasks"]["video-caption"], "dataset": "none"}}},
        {"tasks": {"video-caption": {**RECIPE["tasks"]["video-caption"], "with": {"clip": 3}}}},
        {"tasks": {"video-caption": {**RECIPE["tasks"]["video-caption"], "metrics": {"a": "none"}}}},
        {"tasks": {"video-caption": {"dataset": "moving-digits"}}},
    ],
    ids=str,
)
def test_wrong_recipes_do_not_fit_the_schema(recipes: Validator, changes: dict) -> None:
    assert recipes.is_valid(RECIPE)
    assert not recipes.is_valid({**RECIPE, **changes})


@pytest.mark.parametrize(
    "code", [code for code in CODES.values() if not code.plugins], ids=lambda code: code.code
)
def test_good_documents_and_recipes_fit_the_schema(documents: Validator, recipes: Validator, code) -> None:
    (documents if code.of in ("document", "weights") else recipes).validate(yaml.safe_load(code.good))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("mplug2.text_encoder", "mplug2.text_encodr"),
        ("heads: 4", "head: 4"),
        ("heads: 4", "heads: four"),
        ("modality: text", "modality: txt"),
        ("outputs:", "output:"),
        ("uses: core.pool", "uses: core.linear"),
        ("composer: 1", "composer: 2"),
        ("how: mean", "how: median"),
    ],
)
def test_a_mistake_that_one_file_shows_is_refused(
    documents: Validator, document: Path, right: str, wrong: str
) -> None:
    text = document.read_text().replace("uses: core.pool,", "uses: core.pool, with: {how: mean},")
    documents.validate(yaml.safe_load(text))
    assert right in text
    assert not documents.is_valid(yaml.safe_load(text.replace(right, wrong)))


def test_a_child_may_leave_out_what_its_parent_says(documents: Validator) -> None:
    child = "composer: 1\nextends: mplug2\nmodules: {text: {with: {heads: 8}}, fusion: null}\ntasks: {video-qa: null}\n"
    documents.validate(yaml.safe_load(child))


def test_the_schema_is_written_to_a_file(composer, document: Path) -> None:
    done = composer("schema", "--out", "composer.schema.json")
    assert done.code == 0
    assert "yaml-language-server: $schema=composer.schema.json" in done.out
    assert json.loads(Path("composer.schema.json").read_text()) == json.loads(composer("schema").out)


def test_a_place_that_cannot_be_written_is_one_error(composer, document: Path) -> None:
    done = composer("schema", "--out", "no/such/folder/schema.json")
    assert done.code == 1
    assert (
        done.err
        == "composer: error: no/such/folder/schema.json cannot be written: No such file or directory\n"
    )
