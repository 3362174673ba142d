"""The walk, step by step, in one folder: each step finds what the steps before it have written."""

from __future__ import annotations

import importlib
import json
import shutil
import zipfile
from collections.abc import Callable
from itertools import compress
from pathlib import Path

import pytest
from children import CHILD
from composer_quickstart import digits
from safetensors.torch import load_file, save_file

from composer.problems.codes import CODES

from .conftest import Done
from .steps import (
    ASK,
    COMPARED,
    COMPARISONS,
    COMPILED,
    EVALUATED,
    FIRST_HOUR,
    LOCKED,
    MOVED,
    NEW_PLUGIN,
    OWN,
    PLANS,
    PLUGINS,
    ROOT,
    ROWS,
    SMALL,
    TRAINED,
    WEIGHTS,
    Step,
)


def take(walk: Callable[..., Done], steps: list[Step]) -> list[str]:
    """Take steps one after the other; each must end as it says, without a traceback. What they printed."""
    printed = []
    for step in steps:
        done = walk(*step.words)
        assert done.code == step.code, (step.line, done.out, done.err)
        assert step.prints in done.out + done.err, (step.line, done.out, done.err)
        assert "Traceback" not in done.err, step.line
        if step.json:
            json.loads(done.out, parse_constant=refuse)
        printed.append(done.out)
    return printed


def refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def test_the_first_hour(walk) -> None:
    take(walk, FIRST_HOUR)
    assert Path("first.svg").read_text(encoding="utf-8").startswith("<svg")
    json.loads(Path("first.schema.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_first_document_compiles_is_moved_and_zipped(walk) -> None:
    """By the files of the step before: the document that `composer new` wrote."""
    if not Path("first.yaml").exists():
        take(walk, FIRST_HOUR[:1])
    (answer,) = answers(COMPILED, take(walk, COMPILED))
    Path("elsewhere").mkdir()
    shutil.move("made/first", "elsewhere/moved")
    with zipfile.ZipFile("first.zip", "w") as archive:
        for path in sorted(Path("elsewhere/moved").rglob("*")):
            archive.write(path, path.relative_to("elsewhere/moved"))
    assert answers(MOVED, take(walk, MOVED)) == [answer] * 2


def answers(steps: list[Step], printed: list[str]) -> list[str]:
    """What the steps printed that run an artifact, without their times."""
    runs = (step.words[0] == "run" and "--timing" not in step.words for step in steps)
    return list(compress(printed, runs))


def test_documents_are_compared(walk) -> None:
    take(walk, COMPARISONS)
    assert Path("difference.svg").read_text(encoding="utf-8").startswith("<svg")


def test_many_rows(walk) -> None:
    Path("asked.csv").write_text(
        "image,question\npicture.png,is there a circle?\nclip.mp4,what is it?\n../../README.md,what is it?\n"
    )
    take(walk, ROWS)
    answers = [json.loads(line) for line in Path("answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [each["row"] for each in answers] == [1, 2, 3, 4]


def test_tasks_are_scored_and_runs_compared(walk) -> None:
    pytest.importorskip("easy_vqa", reason="needs multimodal-composer[train]")
    Path("known.csv").write_text(
        "id,image,question,answer\nc,picture.png,is there a circle?,no\ns,picture.png,what shape is it?,rectangle\n"
        "r,picture.png,is there a red shape?,no\n"
    )
    if not Path("first.yaml").exists():
        take(walk, FIRST_HOUR[:1])
    take(walk, EVALUATED)


def test_plans_need_no_weights(walk) -> None:
    if not Path("first.yaml").exists():
        take(walk, FIRST_HOUR[:1])
    take(walk, PLANS)


def test_weights_come_from_where_they_are_named(walk) -> None:
    Path("child.yaml").write_text(CHILD)
    shipped = load_file(ROOT / "graphs" / "quickstart.safetensors")
    wrapped = {f"ema.module.{key}": value.clone() for key, value in shipped.items()}
    save_file({**wrapped, "step": next(iter(shipped.values())).clone()}, "wrapped.safetensors")
    take(walk, WEIGHTS)
    if not Path("first.yaml").exists():
        take(walk, FIRST_HOUR[:1])
    take(walk, LOCKED)


GATED = """\
composer: 1
name: gated
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1}}
  gate: {uses: audio.gate}
tasks:
  embed:
    inputs: {question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 20}}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      gated: {call: gate, inputs: {states: words.states}}
      vector: {uses: core.pool, inputs: {states: gated.states}}
    outputs: {vector: vector}
"""


def test_a_new_plugin_is_checked_used_and_compiled(walk, place: Path) -> None:
    take(walk, NEW_PLUGIN)
    site = place / "site"
    shutil.copytree("composer-audio", site)
    metadata = site / "composer_audio-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: composer-audio\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[composer]\naudio = composer_audio\n")
    importlib.invalidate_caches()
    Path("gated.yaml").write_text(GATED)
    take(walk, PLUGINS)


def test_a_shipped_document_is_trained_and_run_with_its_new_weights(
    walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TEST_DIGITS", "VALIDATION_DIGITS"):  # to score thousands of clips takes a minute
        monkeypatch.setattr(digits, name, 2)
    pytest.importorskip("sklearn", reason="needs multimodal-composer[train]")
    yaml = pytest.importorskip("yaml")
    recipe = yaml.safe_load((ROOT / "graphs" / "training" / "quickstart.yaml").read_text(encoding="utf-8"))
    recipe["tasks"] = {
        "video-caption": {**recipe["tasks"]["video-caption"], "batch": 4, "with": {"clips": 8}}
    }
    Path("small.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    take(walk, TRAINED)


def test_a_document_is_trained_on_rows_of_ones_own(walk) -> None:
    own = "".join(
        f'n{n},"[{n % 2}, {n}]",{("red", "blue")[n % 2]},{("train", "test")[n > 8]}\n' for n in range(12)
    )
    Path("own.csv").write_text(f"name,point,shade,part\n{own}", encoding="utf-8")
    Path("more.csv").write_text('name,point,shade\nm1,"[9, 9]",red\nm2,"[9, 8]",blue\n', encoding="utf-8")
    Path("shades.csv").write_text("text,shade\nas the sky,blue\nas a rose,red\n", encoding="utf-8")
    Path("own.yaml").write_text(CODES["C412"].files["points.yaml"], encoding="utf-8")
    take(walk, OWN)


def test_recorded_tensors_are_compared(walk) -> None:
    take(walk, COMPARED)


@pytest.mark.parametrize("document", ["quickstart", "mplug2", "mplug2-base"])
def test_every_shipped_document_is_shown_in_every_way(walk, document: str) -> None:
    ways = ["", "--plan", "--resolved", f"--picture {document}.svg"]
    take(walk, [Step(f"check {document}", "no problems"), *[Step(f"show {document} {way}") for way in ways]])


# Slow: a billion parameters are laid out, though none has a value.
@pytest.mark.slow
@pytest.mark.parametrize("document", ["mplug2", "mplug2-base"])
def test_every_shipped_document_tells_its_cost(walk, document: str) -> None:
    take(walk, [Step(f"show {document} --cost", "parameters")])


# Slow: compiles C++ for minutes where nothing is cached.
@pytest.mark.slow
def test_a_first_document_compiles_by_inductor(walk) -> None:
    if not Path("first.yaml").exists():
        take(walk, FIRST_HOUR[:1])
    steps = [
        Step(
            f"compile first.yaml --weights initial {SMALL} --out made/fast --backend inductor",
            "made/fast: image-qa",
        ),
        Step("verify made/fast", "image-qa: ok"),
        Step(f"run made/fast {ASK}"),
    ]
    take(walk, steps)
