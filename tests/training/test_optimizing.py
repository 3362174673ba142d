"""What a recipe says of the optimizer: groups of weights, schedules, accumulation, recomputing, a running mean."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lines import TASK, Line, data, recipe
from torch import nn

from composer.problems import DocumentError, InputError
from composer.recipes import Recipe
from composer.training import train_document
from composer.training.learner import Learner
from composer.training.loop import TrainingStep, train_epochs
from composer.training.numerics import Numerics
from composer.training.run_options import Following
from composer.training.step_order import shared_out

PUBLISHED = {
    "schedule": {"warmup_steps": 10, "start": 1e-6, "end": 1e-6, "delay": 1},
    "optimizer": {
        "betas": [0.9, 0.999],
        "groups": [
            {"weights": ["vision"], "learning_rate": 2e-6},
            {"weights": ["*bias*", "*LayerNorm.weight*"], "weight_decay": 0},
            {"weights": ["*"], "weight_decay": 0.02},
        ],
    },
    "learning_rate": 2e-5,
    "clip": None,
}
"""The published fine-tuning of mPLUG-2, but for its length."""


class Block(nn.Module):
    """Names as BERT has them, and as CLIP has them."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.LayerNorm, self.ln_1 = nn.Linear(2, 2), nn.LayerNorm(2), nn.LayerNorm(2)


def test_groups_are_by_name_and_each_value_is_that_of_the_first_entry_that_gives_it() -> None:
    modules = nn.ModuleDict({"vision": Block(), "text": Block()})
    learner = Learner(modules, recipe(**PUBLISHED), Numerics())
    names = {id(p): name for name, p in modules.named_parameters()}
    found = {
        (group["peak"], group["weight_decay"]): sorted(names[id(p)] for p in group["params"])
        for group in learner.optimizer.param_groups
    }
    plain = ["LayerNorm.bias", "LayerNorm.weight", "dense.bias", "ln_1.bias"]
    assert found == {
        (2e-6, 0.02): ["vision.dense.weight", "vision.ln_1.weight"],  # the weight of a CLIP norm is decayed
        (2e-6, 0.0): [f"vision.{name}" for name in plain],
        (2e-5, 0.02): ["text.dense.weight", "text.ln_1.weight"],
        (2e-5, 0.0): [f"text.{name}" for name in plain],
    }
    for group in learner.optimizer.param_groups:
        assert (group["betas"], group["eps"]) == ((0.9, 0.999), 1e-8)


def test_a_name_that_begins_with_a_module_means_that_module_alone() -> None:
    """`head` is not the head of another module, and `dense` is that of every one."""
    modules = nn.ModuleDict({"head": Block(), "text": nn.ModuleDict({"head": Block()})})
    groups = [{"weights": ["head"], "learning_rate": 1.0}, {"weights": ["dense"], "learning_rate": 2.0}]
    learner = Learner(modules, recipe(optimizer={"groups": groups}), Numerics())
    names = {id(p): name for name, p in modules.named_parameters()}
    found = {names[id(p)]: g["peak"] for g in learner.optimizer.param_groups for p in g["params"]}
    assert {name for name, peak in found.items() if peak == 1.0} == {
        n for n in found if n.startswith("head.")
    }
    assert {name for name, peak in found.items() if peak == 2.0} == {
        "text.head.dense.weight",
        "text.head.dense.bias",
    }


def test_without_groups_matrices_decay_and_vectors_do_not() -> None:
    groups = Learner(nn.ModuleDict({"text": Block()}), recipe(), Numerics()).optimizer.param_groups
    assert [(g["weight_decay"], {p.ndim for p in g["params"]}) for g in groups] == [(0.02, {2}), (0.0, {1})]
    assert groups[0]["betas"] == (0.9, 0.98)


class TwoLines(Line):
    """A second module, so that weights have two rates."""

    def __init__(self) -> None:
        super().__init__()
        self.modules_by_name["vision"] = nn.Sequential(nn.Linear(1, 1))

    def loss(self, task: str, batch: Any) -> torch.Tensor:
        x = batch["x"]["values"]
        return super().loss(task, batch) + self.modules_by_name["vision"](x).square().mean()


def published_rate(step: int, peak: float, every: int = 1) -> float:
    """The rate at an iteration as the published scripts set it: timm's cosine over 36 steps, a warm-up of 10, advanced
    after the step; the caption script calls it with `i // 5` at every fifth iteration of its first epoch."""

    def timm(t: int) -> float:
        if t < 10:
            return 1e-6 + t * (peak - 1e-6) / 10
        return 1e-6 + 0.5 * (peak - 1e-6) * (1 + math.cos(math.pi * (t - 10) / 26))

    i = step - 1
    if i < 0:
        return timm(0)
    return timm(i // every) if i % every == 0 and i < 12 else timm(i)


@pytest.mark.parametrize(("every", "batches"), [(1, 1), (5, 1), (5, 2), (1, 3)])
def test_published_schedules_are_said_in_a_recipe(every: int, batches: int) -> None:
    """Three epochs of twelve batches, the lengths of the recorded case; two rates. The published scripts advance the
    schedule after every batch, and change the weights with the last one of a step."""
    dips = {"dips": {"every": every, "epochs": 1}} if every > 1 else {}
    schedule = {**PUBLISHED["schedule"], **dips, "counts": "batches"}  # type: ignore[dict-item]
    wanted = {**PUBLISHED, "schedule": schedule, "epochs": 3, "steps": 12 // batches, "accumulate": batches}
    line, seen = TwoLines(), list[tuple[float, ...]]()
    learner: list[torch.optim.Optimizer] = []
    real = torch.optim.AdamW.step

    def step(optimizer: torch.optim.AdamW, closure: Any = None) -> Any:
        learner[:] = [optimizer]
        seen.append(tuple(dict.fromkeys(group["lr"] for group in optimizer.param_groups)))
        return real(optimizer, closure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", step)
        train_epochs(line, data(), recipe(**wanted))
    changes = range(batches - 1, 36, batches)
    expected = [tuple({published_rate(i, peak, every) for peak in (2e-5, 2e-6)}) for i in changes]
    for rates, wanted_rates in zip(seen, expected, strict=True):
        assert sorted(rates) == pytest.approx(sorted(wanted_rates), rel=1e-12)
    assert batches > 1 or seen[0] == (1e-6,)


@pytest.mark.parametrize(
    ("schedule", "first", "middle", "last"),
    [
        ({"shape": "linear", "end": 0.1}, 1.0, 0.55, 0.1),
        ({"shape": "constant"}, 1.0, 1.0, 1.0),
        ({"shape": "cosine", "end": 0.2}, 1.0, 0.6, 0.2),
        ({"warmup_steps": 50, "start": 0.5}, 0.5, 1.0, 0.0),
    ],
)
def test_shapes_of_a_schedule(schedule: dict[str, Any], first: float, middle: float, last: float) -> None:
    from composer.recipes import ScheduleRecipe
    from composer.recipes.learning_rates import learning_rate

    said = ScheduleRecipe.model_validate(schedule)
    rates = [learning_rate(s, steps=100, peak=1.0, warmup=0.0, schedule=said) for s in (0, 50, 100)]
    assert rates == pytest.approx([first, middle, last])


def test_dips_end_where_the_recipe_says() -> None:
    schedule = {"warmup_steps": 0, "shape": "linear", "dips": {"every": 4, "steps": 8}}
    rates: list[float] = []
    train_epochs(
        Line(),
        data(),
        recipe(epochs=2, schedule=schedule),
        following=Following(progress=lambda s: rates.append(s.rate)),
    )
    usual = [0.02 * (1 - s / 20) for s in range(20)]
    early = {4: 1, 8: 2}
    assert rates == pytest.approx([usual[early.get(s, s)] for s in range(20)])


class Whole:
    """Sixteen numbers in batches of a size."""

    def __init__(self, size: int) -> None:
        self.size, self.x = size, torch.linspace(-1, 1, 14).reshape(14, 1)

    def batches(self, epoch: int) -> int:
        return -(-14 // self.size)

    def count(self, epoch: int, index: int) -> int:
        return len(self.x[index * self.size :][: self.size])

    def batch(self, epoch: int, index: int) -> Any:
        return {"x": {"values": self.x[index * self.size :][: self.size]}}

    def part(self, epoch: int, index: int, share: Any) -> Any:
        return self.batch(epoch, index), self.count(epoch, index)

    def samples_of(self, epoch: int, index: int) -> str:
        return f"batch {index}"


class Dry(Line):
    """Without dropout, so that a large batch and several small ones are the same."""

    def __init__(self) -> None:
        super().__init__()
        self.modules_by_name["line"].get_submodule("1").p = 0.0  # type: ignore[assignment]


def test_accumulated_batches_are_the_large_batch() -> None:
    """The last step has a batch of four and one of two, which count by their samples."""
    small, large = Dry(), Dry()
    one: dict[str, Any] = {"tasks": {"up": TASK}, "epochs": 3}
    counted: list[int] = []
    first = train_epochs(
        small,
        {"up": Whole(4)},
        recipe(**one, accumulate=2),
        following=Following(progress=lambda step: counted.append(step.samples)),
    )
    second = train_epochs(large, {"up": Whole(8)}, recipe(**one))
    assert counted == [8, 6] * 3 or sorted(counted) == [6, 6, 6, 8, 8, 8]
    assert [r.losses["up"] for r in first] == pytest.approx([r.losses["up"] for r in second], rel=1e-5)
    for name, value in small.modules_by_name["line"].state_dict().items():
        torch.testing.assert_close(value, large.modules_by_name["line"].state_dict()[name])


def test_weights_share_the_steps_out_among_the_tasks() -> None:
    seen: list[TrainingStep] = []
    shared = {"up": {**TASK, "weight": 3}, "down": TASK}
    train_epochs(
        Line(), data(), recipe(epochs=2, tasks=shared, steps=8), following=Following(progress=seen.append)
    )
    assert [sum(s.task == t for s in seen if s.epoch == e) for e in (0, 1) for t in ("up", "down")] == [
        6,
        2,
    ] * 2
    assert {s.total for s in seen} == {16}
    assert shared_out(10, {"a": 1, "b": 1, "c": 1}) == {"a": 4, "b": 3, "c": 3}


def test_a_task_with_a_weight_goes_round_its_data() -> None:
    """Every batch of a pass once, before the next pass begins."""
    asked: list[tuple[int, int]] = []

    class Asked(Whole):
        def batch(self, epoch: int, index: int) -> Any:
            asked.append((epoch, index))
            return super().batch(epoch, index)

    one = recipe(epochs=3, steps=5, tasks={"up": {**TASK, "weight": 1}})
    train_epochs(Line(), {"up": Asked(4)}, one)
    assert asked == [(n // 4, n % 4) for n in range(15)]


def test_a_running_mean_is_what_is_left_at_the_end() -> None:
    mean: dict[str, torch.Tensor] = {}
    line = Line()

    def follow(step: TrainingStep) -> None:
        for name, value in line.modules_by_name["line"].state_dict().items():
            mean[name] = mean.get(name, start[name]) * 0.9 + value * 0.1

    start = copy.deepcopy(line.modules_by_name["line"].state_dict())
    train_epochs(line, data(), recipe(ema=0.9), following=Following(progress=follow))
    for name, value in line.modules_by_name["line"].state_dict().items():
        torch.testing.assert_close(value, mean[name])


def test_float16_scales_its_losses_and_learns(points: Path) -> None:
    records = [
        train_document("points.yaml", out=name, recipe="recipe.yaml", precision=name)
        for name in ("fp16", "fp32")
    ]
    for left, right in zip(*(record["curve"] for record in records), strict=True):
        assert left["losses"]["sort"] == pytest.approx(
            right["losses"]["sort"], rel=5e-2
        )  # a step may be left out
    again = train_document(
        "points.yaml", out="fp16", recipe="recipe.yaml", precision="fp16", resume=True, epochs=4
    )
    assert again["curve"][:3] == records[0]["curve"]


BODY = """\
composer: 1
name: body
extends: points.yaml
modules: {body: {uses: tiny.body}}
tasks:
  sort:
    nodes:
      kept: {call: body, inputs: x}
      vector: {inputs: kept}
"""


def recipe_with(points: Path, text: str) -> None:
    (points / "more.yaml").write_text((points / "recipe.yaml").read_text() + text)


def test_recomputed_layers_give_the_same_weights(points: Path) -> None:
    """Dropout and all: what is drawn again is what was drawn."""
    (points / "body.yaml").write_text(BODY.replace("tiny.body", "tiny.body"))
    recipe_with(points, "recompute: [body]\n")
    first, second = (
        train_document("body.yaml", out=name, recipe=f"{name}.yaml", splits=()) for name in ("recipe", "more")
    )
    assert first["weights"]["sha256"] == second["weights"]["sha256"]
    assert first["curve"][0]["losses"] == second["curve"][0]["losses"]


def test_recomputed_layers_keep_less_for_the_gradient() -> None:
    from composer.training.recomputing import recompute_layers

    def kept(recompute: list[str]) -> tuple[int, torch.Tensor]:
        torch.manual_seed(0)
        deep = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Dropout(0.5)) for _ in range(6)))
        recompute_layers({"deep": deep}, recompute)
        numbers = [0]

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            numbers[0] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = deep(torch.ones(16, 8)).square().sum()
        before = numbers[0]
        loss.backward()  # type: ignore[no-untyped-call]
        gradient = deep.get_submodule("0.0").weight.grad
        assert isinstance(gradient, torch.Tensor)
        return before, gradient

    (all_kept, plain), (few_kept, again) = kept([]), kept(["deep"])
    assert few_kept < all_kept / 2
    assert torch.equal(plain, again)


def test_a_recipe_freezes_what_it_names(points: Path) -> None:
    recipe_with(points, "optimizer: {groups: [{weights: ['*bias'], freeze: true}]}\n")
    record = train_document("points.yaml", out="frozen", recipe="more.yaml", splits=())
    assert (record["trained"], record["frozen"]) == ({"head": 8}, {"head": 2})


@pytest.mark.parametrize(
    ("text", "code", "line", "said"),
    [
        ("optimizer: {groups: [{weights: [head.bais], freeze: true}]}\n", "C420", 10, "`head.bais`"),
        ("recompute: [haed]\n", "C421", 10, "did you mean `head`?"),
    ],
)
def test_names_that_are_not_there_are_told_before_the_first_step(
    points: Path, text: str, code: str, line: int, said: str
) -> None:
    recipe_with(points, text)
    with pytest.raises(DocumentError) as caught:
        train_document("points.yaml", out="out", recipe="more.yaml")
    (problem,) = caught.value.problems
    assert (problem.code, problem.place.line) == (code, line)
    assert said in f"{problem.message} {' '.join(problem.helps)}"
    assert not list(points.glob("out*"))


def test_the_record_tells_the_recipe_as_it_was_meant(points: Path) -> None:
    recipe_with(points, "clip: null\nema: 0.9\n")
    record = train_document("points.yaml", out="told", recipe="more.yaml", splits=())
    assert json.loads((points / "told.json").read_text()) == record
    assert Recipe.model_validate(record["recipe"]).clip is None


def test_a_validation_of_a_split_that_is_not_there_is_refused(points: Path) -> None:
    recipe_with(points, "validation: {split: dev}\n")
    with pytest.raises(InputError, match=r"no split `dev`.*validation"):
        train_document("points.yaml", out="out", recipe="more.yaml")
