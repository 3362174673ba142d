"""`composer explain` and `composer schema`."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

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


def test_an_unknown_code_is_wrong_usage(composer) -> None:
    done = composer("explain", "C999")
    assert (done.code, done.out) == (2, "")
    assert "there is no code 'C999'" in done.err


@pytest.fixture
def schema(composer) -> dict:
    found = json.loads(composer("schema").out)
    jsonschema.Draft202012Validator.check_schema(found)
    return found


@pytest.fixture
def recipe_schema(composer) -> dict:
    found = json.loads(composer("schema", "--recipe").out)
    jsonschema.Draft202012Validator.check_schema(found)
    return found


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
def test_wrong_recipes_do_not_fit_the_schema(recipe_schema: dict, changes: dict) -> None:
    validator = jsonschema.Draft202012Validator(recipe_schema)
    assert validator.is_valid(RECIPE)
    assert not validator.is_valid({**RECIPE, **changes})


@pytest.mark.parametrize(
    "code", [code for code in CODES.values() if not code.plugins], ids=lambda code: code.code
)
def test_good_documents_and_recipes_fit_the_schema(schema: dict, recipe_schema: dict, code) -> None:
    jsonschema.validate(yaml.safe_load(code.good), schema if code.of == "document" else recipe_schema)


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
    schema: dict, document: Path, right: str, wrong: str
) -> None:
    text = document.read_text().replace("uses: core.pool,", "uses: core.pool, with: {how: mean},")
    jsonschema.validate(yaml.safe_load(text), schema)
    assert right in text
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text.replace(right, wrong)), schema)


def test_a_child_may_leave_out_what_its_parent_says(schema: dict) -> None:
    child = "composer: 1\nextends: mplug2\nmodules: {text: {with: {heads: 8}}, fusion: null}\ntasks: {video-qa: null}\n"
    jsonschema.validate(yaml.safe_load(child), schema)


def test_the_schema_is_written_to_a_file(composer, document: Path) -> None:
    done = composer("schema", "--out", "composer.schema.json")
    assert done.code == 0
    assert "yaml-language-server: $schema=composer.schema.json" in done.out
    assert json.loads(Path("composer.schema.json").read_text()) == json.loads(composer("schema").out)


def test_a_place_that_cannot_be_written_is_one_error(composer, document: Path) -> None:
    done = composer("schema", "--out", "no/such/folder/schema.json")
    assert done.code == 1
    assert done.err == "composer: error: no/such/folder/schema.json: No such file or directory\n"
