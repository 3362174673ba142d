"""Every task of `mplug2-tasks` at a tiny size: it answers, and its loss has a gradient, over one set of modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import composer
from composer.evaluation import Evaluating, evaluate_rows
from composer.execution import Model, build_program, load
from composer.execution.averages import averages_of
from composer.execution.generation import walk
from composer.execution.inputs import Inputs
from composer.plan import plan_objective

DOCUMENT = "mplug2-tasks"
REPORT = composer.check(DOCUMENT)
TASKS = tuple(REPORT.tasks)
TINY = {
    "image_size": 16,
    "patch_size": 8,
    "vision_width": 64,
    "vision_layers": 1,
    "frames": 2,
    "hidden": 32,
    "heads": 2,
    "intermediate": 32,
    "text_layers": 1,
    "fusion_layers": 1,
    "fusion_stack": 1,
    "decoder_layers": 1,
    "latents": 3,
    "positions": 64,
    "text_tokens": 24,
    "beams": 2,
    "answer_max_tokens": 10,
    "caption_max_tokens": 6,
    "rank_top": 2,
    "embed_dim": 8,
    "queue": 6,
    "rerank": 2,
}
PICTURES = [np.random.default_rng(index).integers(0, 255, (20, 24, 3), dtype=np.uint8) for index in range(2)]
CLIPS = [np.random.default_rng(index).integers(0, 255, (3, 20, 24, 3), dtype=np.uint8) for index in range(2)]


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return load(DOCUMENT, weights="initial", settings=TINY, objectives=True)


def value_of(name: str, modality: str, config: Any) -> list[Any]:
    """Two values of an input."""
    if modality == "image":
        return PICTURES
    if modality == "video":
        return CLIPS
    if modality == "box":
        return [[0.1, 0.2, 0.5, 0.5], [0.0, 0.3, 1.0, 0.4]]
    if modality == "label":
        return [0, 1] if config.names is None else [config.names[0], config.names[-1]]
    if modality == "array":
        given: dict[str, list[Any]] = {
            "integers": [3, 4],
            "numbers": [1.0, 2.5],
        }
        return [np.asarray(value) for value in given[config.kind]]
    return ["a red circle is here", "what is there"]


def raw_of(inputs: Any) -> dict[str, list[Any]]:
    return {name: value_of(name, item.modality.id, item.config) for name, item in inputs.items()}


def test_the_document_holds_the_families_and_shares_its_modules() -> None:
    assert REPORT.ok, str(REPORT)
    assert len(TASKS) >= 50
    uses = {"universal": 0, "text": 0, "vision": 0, "fusion": 0, "decoder": 0}
    for task in REPORT.tasks.values():
        called = {node.module.name for node in task.nodes.values()}
        for name in uses:
            uses[name] += name in called
    assert uses["universal"] == len(TASKS), "every task goes through the shared layers"
    assert all(count >= 15 for count in uses.values())


@pytest.mark.parametrize("name", TASKS)
def test_a_task_answers(model: Model, name: str) -> None:
    task = model.report.tasks[name]
    raw = raw_of({key: item for key, item in task.inputs.items() if not item.training})
    answer = model.run(name, **raw)
    assert set(answer) == set(task.outputs)
    for value in answer.values():
        if isinstance(value, torch.Tensor):
            assert torch.isfinite(value.float()).all()
        assert len(value) == 2


@pytest.mark.parametrize("name", [name for name in TASKS if REPORT.tasks[name].loss is not None])
def test_a_loss_has_a_gradient_and_averages_have_none(model: Model, name: str) -> None:
    plan = plan_objective(model.report.tasks[name])
    assert plan.loss is not None
    program = build_program(plan, model.modules)
    averages = averages_of(model.report)
    tensors, _ = Inputs(plan, model.report.registry.kinds).encode(
        raw_of(plan.inputs), model.device, model.dtype
    )
    for module in model.modules.values():
        module.requires_grad_(True).zero_grad()
    for average in averages:
        model.modules[average].requires_grad_(False)
    with torch.enable_grad():
        slots = program.load_inputs(tensors)
        walk(program, {}, slots)
        loss = slots[plan.loss]
        assert loss.shape == ()
        assert torch.isfinite(loss)
        loss.backward()
    learned = {
        owner
        for owner, module in program.modules_by_name.items()
        if any(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())
    }
    weighty = {owner for owner, module in program.modules_by_name.items() if list(module.parameters())}
    assert learned == weighty - averages.keys()


@pytest.mark.parametrize(("name", "seen"), [("picture-match", "image"), ("video-match", "video")])
def test_whether_pairs_match_is_scored(model: Model, name: str, seen: str) -> None:
    values = PICTURES if seen == "image" else CLIPS
    rows = [
        {seen: values[n % 2], "caption": caption, "matches": n % 2}
        for n, caption in enumerate(["red", "a blue ball", "what is there"])
    ]
    registry = model.report.registry
    (score,) = evaluate_rows(model, name, rows, model.evaluation(name), registry).scores
    right = [
        int(model.run(name, **{seen: [row[seen]], "caption": [row["caption"]]})["chances"][0].argmax())
        == row["matches"]
        for row in rows
    ]
    assert score.value == pytest.approx(np.mean(right))


RERANKS = {"picture-rerank", "video-rerank"}
"""They look at a batch: `coco-retrieval --rerank picture-match` scores the same over all candidates."""


def test_every_task_is_scored() -> None:
    assert {name for name in TASKS if REPORT.tasks[name].evaluation is None} == RERANKS


@pytest.mark.parametrize("name", ["masked-text", "masked-caption"])
def test_hidden_words_are_scored_whatever_the_batch(model: Model, name: str) -> None:
    texts = [
        "a red circle is here on the green ground",
        "what is there in the small box",
        "a cat sits on a mat",
    ]
    rows = [{"sentence": text, "image": PICTURES[n % 2]} for n, text in enumerate(texts)]
    registry, evaluation = model.report.registry, model.evaluation(name)
    scores = [
        {
            score.name: score.value
            for score in evaluate_rows(model, name, rows, evaluation, registry, how=how).scores
        }
        for how in (Evaluating(batch_size=1), Evaluating(batch_size=3))
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)
    inputs = REPORT.tasks[name].inputs
    counted = [model.run(name, **{key: [row[key]] for key in inputs}) for row in rows]
    count = sum(float(each["count"][0]) for each in counted)
    assert count > 0
    cost = sum(float(each["cost"][0]) for each in counted)
    assert scores[0]["perplexity"] == pytest.approx(np.exp(cost / count), rel=1e-5)


def test_what_is_told_after_the_first_half_of_a_caption_is_scored(model: Model) -> None:
    rows = [{"image": PICTURES[0], "begun": "a red", "rest": "circle here"}]
    scores = evaluate_rows(
        model, "prefixed-caption", rows, model.evaluation("prefixed-caption"), model.report.registry
    ).scores
    assert [score.name for score in scores] == ["cider", "bleu-4", "rouge-l"]


@pytest.mark.parametrize(("name", "seen"), [("video-qa-rank", "video"), ("image-qa-rank", "image")])
def test_the_best_of_given_answers_is_a_text(model: Model, name: str, seen: str) -> None:
    value = PICTURES[0] if seen == "image" else CLIPS[0]
    found = model.run(
        name, **{seen: [value], "question": ["what is it"], "answers": ["a cat", "a dog", "red"]}
    )
    assert found["answer"] == [["a cat", "a dog", "red"][int(found["best"][0][0])]]
