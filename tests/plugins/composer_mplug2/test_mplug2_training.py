"""Training against the recorded traces: the losses of AdamW steps, which every gradient takes part in."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
import yaml
from composer_mplug2.configs import AnswerLossConfig, SequenceLossConfig
from composer_mplug2.losses import build_answer_loss, build_caption_loss
from mplug2_cases import ROOT, golden_path
from safetensors.torch import load_file

from composer.recipes import Recipe
from composer.training.learner import Learner
from composer.training.numerics import Numerics
from composer.training.schedule import Rates
from composer.types import States, Tokens
from composer.weights import plan_loading

ALL = ("vision", "universal", "visual_norm", "text", "fusion", "decoder", "adapter")


def tokens_of(case: Any, name: str) -> Tokens:
    return Tokens(case.inputs[f"{name}_ids"], case.inputs[f"{name}_mask"])


def loss_of(case: Any, modules: dict[str, Any]) -> torch.Tensor:
    """The loss of the case's task, as its objective computes it."""
    states = modules["adapter"](states=modules["vision"](pixels=case.inputs["video"]))
    visual = modules["visual_norm"](states=states, update=modules["universal"].vision(states=states))
    if case.config["kind"] == "videocaption":
        captions = tokens_of(case, "caption")
        logits = modules["decoder"](memory=visual, tokens=captions)
        prompt_tokens = case.layout.parameters(case.config)["video_prompt_tokens"]
        loss = build_caption_loss(SequenceLossConfig(prompt_tokens=prompt_tokens))
        return loss(logits=logits, captions=captions)
    words = modules["universal"].text(states=modules["text"](tokens=tokens_of(case, "question")))
    counts, answers = case.inputs["answers_per_question"], tokens_of(case, "answer")
    rows = torch.repeat_interleave(counts)
    fused = modules["fusion"].grouped(
        text=States(words.values[rows], words.mask[rows]), vision=visual, counts=counts
    )
    logits = modules["decoder"].grouped(vision=visual, text=fused, counts=counts, tokens=answers)
    return build_answer_loss(AnswerLossConfig())(
        logits=logits, answers=answers, weights=case.inputs["weights"], counts=counts
    )


def groups_of(case: Any, trace: dict[str, Any], modules: dict[str, Any]) -> list[dict[str, Any]]:
    """The recorded optimizer groups, which name published tensors, with our parameters."""
    ours = {f"{name}.{key}": p for name, module in modules.items() for key, p in module.named_parameters()}
    parameters = dict(case.layout.parameters(case.config))
    keys = list(load_file(case.folder / "weights.safetensors"))
    plan = plan_loading(keys, ours, case.layout, parameters, declared=(*ALL, "text_head", "fusion_head"))
    targets = {each.key: ours[each.target] for each in plan.assignments}
    targets["text_decoder.cls.predictions.bias"] = modules[
        "decoder"
    ].head.bias  # recorded under its other name
    named = {id(targets[name]) for group in trace["groups"] for name in group["names"] if name in targets}
    assert named == {id(parameter) for parameter in ours.values()}
    groups = [
        {
            "params": [targets[name] for name in group["names"] if name in targets],
            "lr": group["lr"],
            "weight_decay": group["weight_decay"],
        }
        for group in trace["groups"]
    ]
    return [group for group in groups if group["params"]]


@pytest.mark.parametrize("kind", ["videoqa", "videocaption"])
def test_the_losses_of_the_recorded_steps(golden, kind) -> None:
    case = golden(kind)
    trace = json.loads((golden_path(kind) / "train_trace.json").read_text(encoding="utf-8"))
    modules = dict(zip(ALL, case.modules(*ALL), strict=True))
    optimizer = torch.optim.AdamW(groups_of(case, trace, modules))
    losses = []
    with torch.enable_grad():
        for _ in trace["losses"]:
            optimizer.zero_grad()
            loss = loss_of(case, modules)
            loss.backward()
            losses.append(loss.item())
            optimizer.step()
    assert losses == pytest.approx([step["loss"] for step in trace["losses"]], rel=1e-3)


def test_the_norm_of_all_gradients(golden) -> None:
    case = golden("videoqa")
    trace = json.loads((golden_path("videoqa") / "train_trace.json").read_text(encoding="utf-8"))
    modules = dict(zip(ALL, case.modules(*ALL), strict=True))
    with torch.enable_grad():
        loss_of(case, modules).backward()
    gradients = [p.grad for module in modules.values() for p in module.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    assert norm.item() == pytest.approx(trace["losses"][0]["grad_norm"], rel=1e-4)
    dead = [n for module in modules.values() for n, p in module.named_parameters() if p.grad is None]
    assert dead == []


BERT = ("text", "universal", "fusion", "decoder")
PUBLISHED = {
    "epochs": 1,
    "learning_rate": 1e-3,
    "warmup": 0.0,
    "schedule": {"shape": "constant"},
    "clip": None,
    "optimizer": {
        "betas": [0.9, 0.999],
        "groups": [
            {"weights": ["vision"], "learning_rate": 2e-4},
            # what the published code calls LayerNorm.weight: the norms of BERT's layers, and no other
            {"weights": ["*bias", *(f"{name}.*norm.weight" for name in BERT)], "weight_decay": 0.0},
            {"weights": ["*"], "weight_decay": 0.02},
        ],
    },
    "tasks": {},
}


@pytest.mark.parametrize("kind", ["videoqa", "videocaption"])
def test_a_recipe_says_the_published_groups_and_makes_the_recorded_steps(golden, kind) -> None:
    """Rate and decay of every weight, the losses, and the lengths of the gradients, which nothing cuts."""
    case = golden(kind)
    trace = json.loads((golden_path(kind) / "train_trace.json").read_text(encoding="utf-8"))
    modules = dict(zip(ALL, case.modules(*ALL), strict=True))
    learner = Learner(torch.nn.ModuleDict(modules), Recipe.model_validate(PUBLISHED), Numerics())
    said = {
        id(p): (group["peak"], group["weight_decay"])
        for group in learner.optimizer.param_groups
        for p in group["params"]
    }
    published = {
        id(p): (group["lr"], group["weight_decay"])
        for group in groups_of(case, trace, modules)
        for p in group["params"]
    }
    assert said == published
    rates, made = Rates(learner.recipe, [0, len(trace["losses"])], []), []
    with torch.enable_grad():
        for number in range(len(trace["losses"])):
            rates.set(learner.optimizer, number)
            learner.begin()
            loss = loss_of(case, modules)
            learner.add(loss, 1.0, kind)
            made.append(learner.step(loss.item(), kind))
    assert [step.loss for step in made] == pytest.approx([step["loss"] for step in trace["losses"]], rel=1e-3)
    norms = [step["grad_norm"] for step in trace["losses"] if "grad_norm" in step]
    assert [step.norm for step in made[: len(norms)]] == pytest.approx(norms, rel=2e-3)


@pytest.mark.parametrize(
    ("kind", "recipe_name"), [("videoqa", "mplug2"), ("videocaption", "mplug2-video-caption")]
)
def test_the_shipped_recipes_have_the_recorded_groups(golden, kind, recipe_name) -> None:
    """Every weight: which learning rate, and whether it decays, as the publisher's own optimizer was recorded."""
    case = golden(kind)
    trace = json.loads((golden_path(kind) / "train_trace.json").read_text(encoding="utf-8"))
    modules = dict(zip(ALL, case.modules(*ALL), strict=True))
    names = {id(p): f"{m}.{n}" for m, module in modules.items() for n, p in module.named_parameters()}
    recorded = {
        names[id(p)]: (group["lr"] == trace["lr2"], group["weight_decay"])
        for group in groups_of(case, trace, modules)
        for p in group["params"]
    }
    text = (ROOT / "graphs" / "training" / f"{recipe_name}.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    recipe = Recipe.model_validate(
        {
            **values,
            "tasks": {task: {**it, "dataset": "easy-vqa.questions"} for task, it in values["tasks"].items()},
        }
    )
    with torch.enable_grad():
        for module in modules.values():
            module.requires_grad_(True)
    optimizer = Learner(torch.nn.ModuleDict(modules), recipe, Numerics()).optimizer
    ours = {
        names[id(p)]: (group["peak"] == 2e-6, group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    assert ours == recorded
    assert {(group["betas"], group["eps"]) for group in optimizer.param_groups} == {((0.9, 0.999), 1e-8)}
    assert recipe.clip is None
