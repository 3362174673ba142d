"""Answers that people read: probabilities, the best class, the best few by name; activations and a contrastive loss."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from composer.execution import load
from composer.graph import check
from composer.problems import DocumentError
from composer.types import States

Build = Callable[..., Any]
SCORES = torch.tensor([[1.0, 3.0, 2.0], [0.5, -1.0, 0.5]])


def test_softmax_is_exp_over_its_sum(build: Build) -> None:
    found = build("core.softmax")(scores=SCORES)
    for row, scores in zip(found.tolist(), SCORES.tolist(), strict=True):
        total = sum(math.exp(score) for score in scores)
        assert row == pytest.approx([math.exp(score) / total for score in scores])


def test_argmax_takes_the_first_of_equals(build: Build) -> None:
    assert build("core.argmax")(scores=SCORES).tolist() == [1, 0]
    named = build("core.argmax", names=["cat", "dog", "owl"])(scores=SCORES)
    assert named["classes"].tolist() == [1, 0]
    assert named["name"] == ["dog", "cat"]


def test_top_k_lists_the_best_first(build: Build) -> None:
    probabilities = torch.tensor([[0.25, 0.5, 0.125, 0.125]])
    assert build("core.top_k", k=2)(probabilities=probabilities) == [
        [{"class": 1, "probability": 0.5}, {"class": 0, "probability": 0.25}]
    ]
    named = build("core.top_k", k=2, names=["a", "b", "c", "d"])(probabilities=probabilities)
    assert named == [[{"name": "b", "probability": 0.5}, {"name": "a", "probability": 0.25}]]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("relu", lambda x: max(x, 0.0)),
        ("gelu", lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2)))),
        ("gelu_tanh", lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
        ("silu", lambda x: x / (1 + math.exp(-x))),
        ("tanh", math.tanh),
        ("sigmoid", lambda x: 1 / (1 + math.exp(-x))),
    ],
)
def test_activations(build: Build, function: str, expected: Callable[[float], float]) -> None:
    values = torch.linspace(-3, 3, 7)
    mask = torch.tensor([[1] * 6 + [0]])
    found = build("core.activation", function=function)(states=States(values.reshape(1, 7, 1), mask))
    assert found.values.flatten().tolist() == pytest.approx([expected(x) for x in values.tolist()], abs=1e-6)
    assert found.mask is mask
    assert torch.equal(
        build("core.activation", function=function, of="embedding")(embedding=values.reshape(1, 7)).flatten(),
        found.values.flatten(),
    )


def test_dropout_drops_while_training_alone(build: Build) -> None:
    module, values = build("core.dropout", rate=0.25, of="embedding"), torch.ones(200, 200)
    assert torch.equal(module(embedding=values), values)
    torch.manual_seed(0)
    found = module.train()(embedding=values)
    assert found.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert float((found == 0).float().mean()) == pytest.approx(0.25, abs=0.01)


def test_the_contrastive_loss_finds_the_partner_both_ways(build: Build) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(4, 6, generator=generator) for _ in range(2))
    module = build("core.contrastive", temperature=0.5)
    scores = [[float(a @ b / a.norm() / b.norm()) / 0.5 for b in second] for a in first]
    rows = sum(math.log(sum(map(math.exp, row))) - row[i] for i, row in enumerate(scores))
    columns = sum(math.log(sum(math.exp(row[i]) for row in scores)) - scores[i][i] for i in range(4))
    loss = module(first=first, second=second)
    assert float(loss.detach()) == pytest.approx((rows + columns) / 8, abs=1e-5)
    loss.backward()
    assert module.log_scale.grad is not None
    assert float(module.log_scale.grad) != 0
    found = module.scores(queries=first[:2], candidates=second).detach()
    assert found.flatten().tolist() == pytest.approx([x for row in scores[:2] for x in row], abs=1e-5)


def test_the_temperature_does_not_fall_below_its_least(build: Build) -> None:
    module = build("core.contrastive", temperature=0.5, least_temperature=0.1)
    with torch.no_grad():
        module.log_scale.fill_(9.0)
    found = module.scores(queries=torch.ones(1, 2), candidates=torch.ones(1, 2))
    assert float(found.detach()) == pytest.approx(10.0)


DOCUMENT = """\
composer: 1
name: sorting
modules:
  head: {uses: core.linear, with: {input_dim: 4, output_dim: 3}}
tasks:
  sort:
    inputs: {x: {modality: array, with: {kind: embedding, dims: [B, 4]}}}
    nodes:
      s: {call: head.scores, inputs: {embedding: x.embedding}}
      p: {uses: core.softmax, inputs: {scores: s.scores}}
      best: {uses: core.top_k, inputs: {probabilities: p.probabilities}, with: {k: 2, names: NAMES}}
      one: {uses: core.argmax, inputs: {scores: s.scores}, with: {names: NAMES}}
    outputs: {best: best.best, name: one.name, class: one.classes, p: p.probabilities}
"""


@pytest.mark.parametrize("names", ["[cat, dog, owl]", "names.txt"])
def test_names_stand_in_the_outputs(tmp_path: Path, names: str) -> None:
    (tmp_path / "names.txt").write_text("cat\ndog\nowl\n")
    (tmp_path / "d.yaml").write_text(DOCUMENT.replace("NAMES", names))
    model = load(tmp_path / "d.yaml", weights="initial", tasks=["sort"])
    answers = model.run("sort", x=[torch.ones(4), -torch.ones(4)])
    assert len(answers["best"]) == 2
    for best, name, number, row in zip(
        answers["best"], answers["name"], answers["class"], answers["p"], strict=True
    ):
        order = sorted(range(3), key=lambda index: -float(row[index]))
        assert [entry["name"] for entry in best] == [["cat", "dog", "owl"][index] for index in order[:2]]
        assert [entry["probability"] for entry in best] == pytest.approx([float(row[i]) for i in order[:2]])
        assert (name, int(number)) == (["cat", "dog", "owl"][order[0]], order[0])
    alone = model.run("sort", x=torch.ones(4))
    assert json.loads(json.dumps(alone["best"])) == answers["best"][0]
    assert alone["name"] == answers["name"][0]


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ("gone.txt", "no file of names lies at 'gone.txt'"),
        ("x" * 300, "no file of names lies at 'xxx"),
        ("empty.txt", "holds no names"),
        ("binary.txt", "is not UTF-8 text"),
        (".", "no file of names lies at '.'"),
        ("[]", "there are no names"),
        ("[cat, dog, cat]", "classes 1 and 3 have one name, 'cat'"),
        ('[cat, "", dog]', "the name of class 2 is empty"),
        ("[cat]", "k 2 is more than the 1 classes"),
        ("[cat, 1.5, dog]", ""),
    ],
)
def test_names_that_cannot_be(tmp_path: Path, names: str, fault: str) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    text = "".join(line for line in DOCUMENT.splitlines(keepends=True) if "core.argmax" not in line)
    text = text.replace(", name: one.name, class: one.classes", "").replace("NAMES", names)
    (tmp_path / "d.yaml").write_text(text)
    (problem,) = check(tmp_path / "d.yaml").problems
    assert (problem.code, problem.place.line) == ("C206", 11)
    assert fault in problem.message
    assert len(problem.message) < 500


@pytest.mark.parametrize(
    ("names", "code"), [("[a, b, c, d]", "C203"), ("[a, b]", "C203"), ("[a, b, c]", None)]
)
def test_there_is_a_name_for_every_class(names: str, code: str | None, tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text(DOCUMENT.replace("NAMES", names))
    found = check(tmp_path / "d.yaml").problems
    assert [p.code for p in found] == ([code] * 2 if code else [])


def test_scores_are_no_probabilities(tmp_path: Path) -> None:
    text = DOCUMENT.replace("NAMES", "[a, b, c]").replace(
        "{probabilities: p.probabilities}", "{probabilities: s.scores}"
    )
    (tmp_path / "d.yaml").write_text(text)
    with pytest.raises(DocumentError) as caught:
        load(tmp_path / "d.yaml", weights="initial", tasks=["sort"])
    (problem,) = caught.value.problems
    assert problem.code == "C202"
    assert any("p.probabilities" in help_ for help_ in problem.helps)


def test_without_a_softmax_the_hint_names_it(tmp_path: Path) -> None:
    lines = [line for line in DOCUMENT.splitlines(keepends=True) if "core.softmax" not in line]
    text = "".join(lines).replace("NAMES", "[a, b, c]").replace(", p: p.probabilities}", "}")
    (tmp_path / "d.yaml").write_text(text.replace("p.probabilities", "s.scores"))
    (problem,) = check(tmp_path / "d.yaml").problems
    assert problem.code == "C202"
    assert problem.helps == ("`core.softmax` makes probabilities of scores: put one between them",)
