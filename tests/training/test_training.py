"""Training a document through its public door, small: files, resumption, wrong requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from composer import execution
from composer.graph import check
from composer.plan import plan_objective
from composer.plugin import load_registry
from composer.problems import DocumentError, InputError
from composer.training import read_recipe, train_document
from composer.training.data import SampleData
from composer.training.samples import build_source

pytest.importorskip("easy_vqa", reason="needs multimodal-composer[train]")
pytest.importorskip("sklearn", reason="needs multimodal-composer[train]")

RECIPE = Path(__file__).parents[2] / "graphs" / "training" / "quickstart.yaml"
SMALL = {"hidden": 16, "heads": 2, "image_size": 32}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped recipe on a few samples."""
    values = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    values.update(epochs=2, threads=1)
    values["tasks"]["image-qa"].update(batch=4, **{"with": {"pictures": 12}})
    values["tasks"]["image-caption"].update(batch=8, **{"with": {"pictures": 20}})
    values["tasks"]["video-caption"].update(batch=8, **{"with": {"clips": 16}})
    path = tmp_path_factory.mktemp("recipe") / "small.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def train(out: Path, recipe: Path, **options: Any) -> dict[str, Any]:
    threads = torch.get_num_threads()
    try:
        return train_document(
            "quickstart", out=out, recipe=recipe, **{"settings": SMALL, "splits": (), **options}
        )
    finally:
        torch.set_num_threads(threads)


def test_a_run_leaves_weights_that_load_and_a_record_that_tells_how(tmp_path: Path, recipe: Path) -> None:
    typed = {name: str(value) for name, value in SMALL.items()}  # as `--set` gives them
    options = {"tasks": ["image-qa"], "splits": ["validation"], "settings": typed}
    record = train(tmp_path / "small", recipe, command="as typed", **options)
    assert json.loads((tmp_path / "small.json").read_text(encoding="utf-8")) == record
    weights = load_file(tmp_path / "small.safetensors")
    assert sum(tensor.numel() for tensor in weights.values()) == record["parameters"]["total"]
    assert {key.partition(".")[0] for key in weights} == {
        "vision",
        "text",
        "universal",
        "seen",
        "fusion",
        "decoder",
    }
    assert record["command"] == "as typed"
    assert record["settings"] == SMALL
    assert record["recipe"]["seed"] == 1
    assert [item["epoch"] for item in record["curve"]] == [0, 1]
    assert record["scores"]["validation"]["image-qa"].keys() == {"accuracy", "samples"}

    model = execution.load(
        "quickstart", weights=tmp_path / "small.safetensors", settings=SMALL, tasks=["image-qa"]
    )
    picture = np.zeros((64, 64, 3), np.uint8)
    assert isinstance(model.run(image=picture, question="is there a circle?")["answer"], str)


def test_all_tasks_train_together_and_a_second_run_is_the_same(tmp_path: Path, recipe: Path) -> None:
    records = [train(tmp_path / name, recipe) for name in ("first", "second")]
    assert set(records[0]["curve"][0]["losses"]) == {"image-qa", "image-caption", "video-caption"}
    assert records[0]["weights"]["sha256"] == records[1]["weights"]["sha256"]
    for task, loss in records[0]["curve"][-1]["losses"].items():
        assert loss < records[0]["curve"][0]["losses"][task]


def test_resuming_gives_the_same_weights_as_not_stopping(
    tmp_path: Path, recipe: Path, monkeypatch: Any
) -> None:
    whole = train(tmp_path / "whole", recipe, tasks=["image-caption"])
    from composer.training import loop
    from composer.training.state import save_state

    saved = []

    def save_once(*args: Any) -> None:
        save_state(*args)
        saved.append(args)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_state", save_once)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", recipe, tasks=["image-caption"])
    monkeypatch.setattr(loop, "save_state", save_state)
    assert len(saved) == 1
    assert not (tmp_path / "broken.safetensors").exists()
    resumed = train(tmp_path / "broken", recipe, tasks=["image-caption"], resume=True)
    assert resumed["weights"]["sha256"] == whole["weights"]["sha256"]


def test_a_picture_travels_once_with_all_its_questions(recipe: Path) -> None:
    registry = load_registry()
    report = check("quickstart", registry=registry, settings=SMALL)
    plan = plan_objective(report.tasks["image-qa"])
    entry = read_recipe(recipe).tasks["image-qa"]
    dataset = registry.datasets["easy-vqa.questions"]
    source = build_source("image-qa", dataset, dataset.config.model_validate(entry.with_))
    data = SampleData(recipe=entry, plan=plan, source=source, seed=0, registry=registry)
    assert data.batches(0) == 3
    batch = data.batch(0, 0)
    counts = batch["counts"]["counts"]
    assert batch["image"]["frames"].shape == (4, 1, 32, 32, 3)
    assert counts.shape == (4,)
    assert (
        batch["question"]["tokens"].ids.shape[0]
        == batch["target"]["tokens"].ids.shape[0]
        == int(counts.sum())
    )
    seen = {data.batch(0, index)["counts"]["counts"].sum().item() for index in range(3)}
    assert sum(data.batch(1, i)["counts"]["counts"].sum() for i in range(3)) == sum(
        data.batch(0, i)["counts"]["counts"].sum() for i in range(3)
    )
    assert seen


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tasks": ["image-qu"]}, "no task `image-qu`"),
        ({"tasks": []}, "no task is left"),
        ({"resume": True}, "no checkpoint"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(
    tmp_path: Path, recipe: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        train(tmp_path / "out", **{"recipe": recipe, **options})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("dataset",), "easy-vqa.question", "no dataset `easy-vqa.question`"),
        (("with",), {"picture": 3}, "picture"),
        (("fields",), {"target": "reply"}, "no field `reply`"),
    ],
)
def test_data_that_does_not_fit_is_refused(
    tmp_path: Path, recipe: Path, path: tuple[str, ...], value: Any, said: str
) -> None:
    values = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    values["tasks"]["image-qa"][path[0]] = value
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(DocumentError, match=said):
        train(tmp_path / "out", other, tasks=["image-qa"])
