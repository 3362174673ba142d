"""The shipped weights: the file that the record describes, and answers as good as it says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from composer_quickstart.configs import EasyVqaConfig, MovingDigitsConfig
from composer_quickstart.digits import MovingDigits
from composer_quickstart.easy_vqa import EasyVqaCaptions, EasyVqaQuestions
from safetensors import safe_open

from composer import execution

ROOT = Path(__file__).parents[3]
WEIGHTS = ROOT / "graphs" / "quickstart.safetensors"
EXAMPLES = ROOT / "examples" / "quickstart"


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model() -> execution.Model:
    return execution.load("quickstart")


def right(answers: list[str], references: list[str]) -> float:
    return sum(a == b for a, b in zip(answers, references, strict=True)) / len(references)


def test_the_record_describes_this_file(record: dict[str, Any]) -> None:
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == record["weights"]["sha256"]
    assert WEIGHTS.stat().st_size <= 6_000_000
    with safe_open(WEIGHTS, "pt") as file:
        tensors = [file.get_tensor(key) for key in file.keys()]  # noqa: SIM118 - no mapping
    assert sum(t.numel() for t in tensors) == record["parameters"]["total"]
    assert all(torch.isfinite(t).all() for t in tensors)


def test_the_record_holds_the_recipe_that_ships(record: dict[str, Any]) -> None:
    recipe = yaml.safe_load((ROOT / "graphs" / "training" / "quickstart.yaml").read_text(encoding="utf-8"))
    assert {key: record["recipe"][key] for key in recipe if key not in ("tasks", "threads")} == {
        key: value for key, value in recipe.items() if key not in ("tasks", "threads")
    }
    for task, entry in recipe["tasks"].items():
        assert {key: record["recipe"]["tasks"][task][key] for key in entry} == entry


def test_the_scores_reach_what_was_asked_for(record: dict[str, Any]) -> None:
    test = record["scores"]["test"]
    assert test["image-qa"]["accuracy"] >= 0.95
    assert test["image-caption"]["exact match"] >= 0.95
    assert test["video-caption"]["direction"] >= 0.97
    assert test["video-caption"]["digit"] >= 0.90
    counts = {task: scores["samples"] for task, scores in test.items()}
    assert counts == {"image-qa": 9673, "image-caption": 888, "video-caption": 2880}


def test_questions_of_the_test_split_are_answered(model: execution.Model) -> None:
    pytest.importorskip("easy_vqa", reason="needs multimodal-composer[train]")
    samples = EasyVqaQuestions(EasyVqaConfig(pictures=24)).samples("test")[:200]
    assert len(samples) == 200
    answers = model.run(
        "image-qa", image=[s["image"] for s in samples], question=[s["question"] for s in samples]
    )["answer"]
    assert right(answers, [s["answer"] for s in samples]) >= 0.9


def test_pictures_of_the_test_split_are_described(model: execution.Model) -> None:
    pytest.importorskip("easy_vqa", reason="needs multimodal-composer[train]")
    samples = EasyVqaCaptions(EasyVqaConfig(pictures=80)).samples("test")[:64]
    answers = model.run("image-caption", image=[s["image"] for s in samples])["caption"]
    assert right(answers, [s["caption"] for s in samples]) >= 0.9


def test_clips_of_unseen_digits_are_described(model: execution.Model) -> None:
    pytest.importorskip("sklearn", reason="needs multimodal-composer[train]")
    samples = MovingDigits(MovingDigitsConfig()).samples("test")[::45]
    answers = model.run("video-caption", video=[s["video"] for s in samples])["caption"]
    assert len(samples) == 64
    assert right(answers, [s["caption"] for s in samples]) >= 0.8


def test_the_example_files_are_answered(model: execution.Model) -> None:
    """From the encoded files, as `composer run` reads them."""
    picture, clip = str(EXAMPLES / "picture.png"), str(EXAMPLES / "clip.mp4")
    expected = {
        "what is the blue shape?": "rectangle",
        "what color is the shape?": "blue",
        "is there a triangle?": "no",
        "is there not a triangle?": "yes",
    }
    answers = model.run("image-qa", image=[picture] * len(expected), question=list(expected))["answer"]
    assert dict(zip(expected, answers, strict=True)) == expected
    assert model.run("image-caption", image=picture)["caption"] == "a blue rectangle"
    assert model.run("video-caption", video=clip)["caption"] == "a seven moves up and left"


def test_the_questions_of_one_picture_score_the_same_together_and_alone(model: execution.Model) -> None:
    """The grouped objective that trained the weights and the plain task that answers are one function."""
    pytest.importorskip("easy_vqa", reason="needs multimodal-composer[train]")
    report = model.report
    from composer.execution.inputs import host_inputs
    from composer.execution.program import build_program
    from composer.plan import plan_objective

    samples = EasyVqaQuestions(EasyVqaConfig(pictures=2)).samples("test")
    program = build_program(plan_objective(report.tasks["image-qa"]), model.modules)
    processors = host_inputs(program.plan, report.registry.kinds).processors
    pictures = list({id(s["image"]): s["image"] for s in samples}.values())
    counts = [sum(s["image"] is p for s in samples) for p in pictures]

    def loss(images: list[Any], counted: list[int], chosen: list[Any]) -> float:
        raw = {
            "image": images,
            "counts": counted,
            "question": [s["question"] for s in chosen],
            "target": [s["answer"] for s in chosen],
        }
        encoded = {name: processors[name].encode(values) for name, values in raw.items()}
        tensors = {
            name: {port: _tensor(value) for port, value in ports.items()} for name, ports in encoded.items()
        }
        with torch.inference_mode():
            return float(program.loss(tensors))

    together = loss(pictures, counts, samples)
    alone = sum(loss([s["image"]], [1], [s]) for s in samples) / len(samples)
    assert together == pytest.approx(alone, abs=1e-5)


def _tensor(value: Any) -> Any:
    return type(value)(*map(torch.from_numpy, value)) if isinstance(value, tuple) else torch.from_numpy(value)
