"""Frozen modules and adapters in training: what learns, what is written, and what is read back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import composer
from composer.cli import main
from composer.problems import DocumentError, InputError
from composer.training import check_training, train_document
from composer.types import States
from composer.weights import WeightsError, read_checkpoint, save_weights

pytestmark = pytest.mark.filterwarnings("error")

TASK = """\
  {name}:
    inputs: {{x: {{modality: array, with: {{kind: states, dims: [B, 5, 4]}}}}}}
    nodes:
      inner: {{call: body, {adapter}inputs: x}}
      vector: {{uses: core.pool, inputs: inner}}
      scores: {{call: head.scores, inputs: vector}}
    outputs: {{scores: scores}}
    objective:
      inputs: {{truth: {{modality: array, with: {{kind: classes, dims: [B]}}}}}}
      nodes: {{cost: {{uses: core.class_loss, inputs: {{scores: scores, classes: truth}}}}}}
      loss: cost.loss
"""
RECIPE = """\
epochs: 2
learning_rate: 5e-2
tasks:
  {name}: {{dataset: tiny.points, batch: 4, output: scores, reference: truth, metrics: {{}}}}
"""
ADAPTERS = """\
    adapters:
      first: {with: {rank: 2, alpha: 4, targets: [layers.0, "layers.1"]}}
      second: {with: {rank: 1, dropout: 0.1, targets: ["layers.*"]}}
"""


def document(body: str, *, adapters: str = "first", head: str = "") -> str:
    tasks = "".join(
        TASK.format(name=f"sort-{name or 'plain'}", adapter=f"adapter: {name}, " if name else "")
        for name in adapters.split(",")
    )
    return (
        "composer: 1\nname: points\nmodules:\n"
        f"  body:\n    uses: tiny.body\n{body}"
        f"  head: {{uses: core.linear, with: {{input_dim: 4, output_dim: 2}}{head}}}\ntasks:\n{tasks}"
    )


@pytest.fixture
def base(points: Path) -> Path:
    """Weights of the modules, from nowhere in particular."""
    (points / "plain.yaml").write_text(document("", adapters=""))
    torch.manual_seed(3)
    model = composer.load("plain.yaml", weights="initial")
    save_weights(model.weights, points / "base.safetensors")
    (points / "recipe.yaml").write_text(RECIPE.format(name="sort-first"))
    return points / "base.safetensors"


def asked(model: composer.Model, task: str) -> torch.Tensor:
    cloud = States(torch.linspace(-1, 1, 20).reshape(5, 4).numpy(), None)
    found: torch.Tensor = model.run(task, x=[cloud])["scores"]
    return found


def test_what_is_trained_is_written_alone_and_read_back_with_its_base(base: Path, points: Path) -> None:
    text = document(f"    freeze: true\n{ADAPTERS}", adapters="first,second,")
    (points / "mine.yaml").write_text(text)
    train_document("mine.yaml", out="runs/one", recipe="recipe.yaml", weights=base)
    written = load_file("runs/one.safetensors")
    assert {key.partition(".")[0] for key in written} == {"body+first", "head"}
    assert written["body+first.layers.0.lora_A.weight"].shape == (2, 4)
    told = read_checkpoint("runs/one.safetensors").metadata
    (began,) = json.loads(told["began_with"])
    assert (began["source"]["file"], told["left_out"]) == ("../base.safetensors", "body")
    record = json.loads(Path("runs/one.json").read_text())
    assert record["trained"] == {"body+first": 32, "head": 10}
    assert record["frozen"] == {"body": 92}
    assert record["weights"]["left_out"] == ["body"]

    model = composer.load("mine.yaml", weights="runs/one.safetensors")
    report = model.loading
    assert report is not None
    assert [Path(source.name).name for source in report.sources] == ["one.safetensors", "base.safetensors"]
    assert "the adapter `second` of `body` is fresh" in str(report)
    by_hand = composer.load("mine.yaml", weights=base, init=("head", "body+first"))
    for name, tensor in written.items():
        part, _, path = name.partition(".")
        by_hand.weights[part].get_parameter(path).data.copy_(tensor)
    assert torch.equal(asked(model, "sort-first"), asked(by_hand, "sort-first"))
    # a fresh adapter does nothing, and the base is not what the trained one made of it
    assert torch.equal(asked(model, "sort-second"), asked(model, "sort-plain"))
    assert not torch.allclose(asked(model, "sort-first"), asked(model, "sort-plain"))


def test_a_base_that_is_gone_or_another_one_is_told(base: Path, points: Path) -> None:
    (points / "mine.yaml").write_text(document(f"    freeze: true\n{ADAPTERS}", adapters="first,second"))
    train_document("mine.yaml", out="runs/one", recipe="recipe.yaml", weights=base, epochs=1)
    before = asked(composer.load("mine.yaml", weights="runs/one.safetensors"), "sort-first")
    base.rename(points / "runs" / "base.safetensors")  # beside the checkpoint will do
    assert torch.equal(
        asked(composer.load("mine.yaml", weights="runs/one.safetensors"), "sort-first"), before
    )
    moved = (points / "runs" / "base.safetensors").rename(points / "away.safetensors")
    with pytest.raises(
        WeightsError, match=r"holds what was trained alone.*not there; put it at.*base.safetensors"
    ):
        composer.load("mine.yaml", weights="runs/one.safetensors")
    other = composer.load("plain.yaml", weights=moved)
    other.weights["head"].get_parameter("map.bias").data += 1
    save_weights(other.weights, base)
    with pytest.raises(WeightsError, match="it is another file, or a damaged one"):
        composer.load("mine.yaml", weights="runs/one.safetensors")


def test_a_lock_of_what_was_trained_alone_holds_its_bases(
    base: Path, points: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runs, one on the other: an adapter, trained on one that was trained on the whole."""
    (points / "mine.yaml").write_text(document(f"    freeze: true\n{ADAPTERS}", adapters="first,second"))
    train_document("mine.yaml", out="runs/one", recipe="recipe.yaml", weights=base, epochs=1)
    train_document(
        "mine.yaml", out="runs/two", recipe="recipe.yaml", weights="runs/one.safetensors", epochs=1
    )
    digest = hashlib.sha256(base.read_bytes()).hexdigest()

    assert main(["lock", "mine.yaml", "--weights", "runs/two.safetensors"]) == 0
    assert "3 weight files" in capsys.readouterr().out
    (entry,) = json.loads(Path("mine.yaml.lock").read_text())["weights"]
    (one,) = entry["trained_on"]
    assert (one["source"], [*one["files"]]) == ("one.safetensors", ["one.safetensors"])
    assert [each["files"] for each in one["trained_on"]] == [{"base.safetensors": digest}]
    composer.load("mine.yaml", weights="runs/two.safetensors", locked=True)

    other = composer.load("plain.yaml", weights=base)
    other.weights["head"].get_parameter("map.bias").data += 1
    save_weights(other.weights, base)
    for command in (["lock", "mine.yaml"], ["run", "mine.yaml:sort-first", "--locked", "x=[[0, 0, 0, 0]]"]):
        assert main([*command, "--weights", "runs/two.safetensors"]) == 1
        told = capsys.readouterr().err
        assert f"and not {digest}" in told
        assert "base.safetensors" in told


def test_a_base_that_only_the_lock_knows_by_its_digest_is_held(base: Path, points: Path) -> None:
    (points / "mine.yaml").write_text(document(f"    freeze: true\n{ADAPTERS}", adapters="first,second"))
    train_document("mine.yaml", out="runs/one", recipe="recipe.yaml", weights=base, epochs=1)
    told = dict(read_checkpoint("runs/one.safetensors").metadata)
    (began,) = json.loads(told["began_with"])
    del began["source"]["sha256"]
    own = {"composer": json.dumps(told | {"began_with": json.dumps([began])})}
    save_file(load_file("runs/one.safetensors"), "runs/one.safetensors", metadata=own)
    assert main(["lock", "mine.yaml", "--weights", "runs/one.safetensors"]) == 0
    composer.load("mine.yaml", weights="runs/one.safetensors", locked=True)
    lock = Path("mine.yaml.lock").read_text()
    without = json.loads(lock)
    del without["weights"][0]["trained_on"]
    Path("mine.yaml.lock").write_text(json.dumps(without))
    with pytest.raises(InputError, match="says that it was trained on 1 file, and the lock holds 0"):
        composer.load("mine.yaml", weights="runs/one.safetensors", locked=True)
    Path("mine.yaml.lock").write_text(lock)
    before = hashlib.sha256(base.read_bytes()).hexdigest()
    other = composer.load("plain.yaml", weights=base)
    other.weights["head"].get_parameter("map.bias").data += 1
    save_weights(other.weights, base)
    now = hashlib.sha256(base.read_bytes()).hexdigest()
    expected = (
        f"one.safetensors was trained on: base.safetensors has the SHA-256 {now}, and {before} in the lock"
    )
    with pytest.raises(InputError, match=expected):
        composer.load("mine.yaml", weights="runs/one.safetensors", locked=True)


def test_frozen_modules_neither_learn_nor_drop_nor_count(base: Path, points: Path) -> None:
    (points / "mine.yaml").write_text(document("    freeze: true\n", adapters=""))
    (points / "recipe.yaml").write_text(RECIPE.format(name="sort-plain"))
    prepared = check_training("mine.yaml", recipe="recipe.yaml", weights=base)
    programs = prepared.programs
    programs.train()
    body, head = programs.running["body"], programs.running["head"]
    assert head.training
    assert not any(part.training for part in body.modules())
    batch = prepared.data["sort-plain"].batch(0, 0)
    first = programs.loss("sort-plain", batch)
    first.backward()
    assert torch.equal(first, programs.loss("sort-plain", batch))  # no dropout, no running mean moved
    assert all(p.grad is None and not p.requires_grad for p in body.parameters())
    assert all(p.grad is not None for p in head.parameters())


def test_a_part_is_frozen_by_name(base: Path, points: Path) -> None:
    (points / "mine.yaml").write_text(document("    freeze: [layers.0, norm, scale]\n", adapters=""))
    (points / "recipe.yaml").write_text(RECIPE.format(name="sort-plain"))
    train_document("mine.yaml", out="one", recipe="recipe.yaml", weights=base, epochs=1)
    begun, written = load_file(base), load_file("one.safetensors")
    assert {key for key in begun if key not in written} == {
        f"body.{name}"
        for name in (
            "layers.0.weight",
            "layers.0.bias",
            "norm.weight",
            "norm.bias",
            "norm.running_mean",
            "norm.running_var",
            "norm.num_batches_tracked",
            "scale",
        )
    }
    assert not torch.equal(begun["body.layers.1.weight"], written["body.layers.1.weight"])
    prepared = check_training("mine.yaml", recipe="recipe.yaml", weights=base)
    prepared.programs.train()
    body = prepared.programs.running["body"]
    modes = {name: body.get_submodule(name).training for name in ("layers.0", "layers.1", "norm", "dropout")}
    assert modes == {"layers.0": False, "layers.1": True, "norm": False, "dropout": True}
    trained = composer.load("mine.yaml", weights="one.safetensors")
    assert torch.equal(trained.weights["body"].get_parameter("scale"), begun["body.scale"])


def test_frozen_weights_that_lie_nowhere_else_are_written(base: Path, points: Path) -> None:
    (points / "mine.yaml").write_text(document(f"    freeze: true\n{ADAPTERS}", adapters="first,second"))
    train_document("mine.yaml", out="one", recipe="recipe.yaml", epochs=1)
    assert {key.partition(".")[0] for key in load_file("one.safetensors")} >= {"body", "body+first", "head"}
    assert "began_with" not in read_checkpoint("one.safetensors").metadata


def test_a_weight_that_is_read_without_a_call_is_adapted_and_trained(base: Path, points: Path) -> None:
    body = "    freeze: true\n    adapters: {first: {with: {rank: 2, targets: [read]}}}\n"
    (points / "mine.yaml").write_text(document(body))
    train_document("mine.yaml", out="one", recipe="recipe.yaml", weights=base, epochs=1)
    assert load_file("one.safetensors")["body+first.read.lora_B.weight"].any()
    (points / "both.yaml").write_text(document(body, adapters="first,"))
    merged = composer.load("mine.yaml", weights="one.safetensors")
    beside = composer.load("both.yaml", weights="one.safetensors")
    torch.testing.assert_close(asked(merged, "sort-first"), asked(beside, "sort-first"))
    assert not torch.allclose(asked(beside, "sort-first"), asked(beside, "sort-plain"))


def test_a_stopped_run_with_an_adapter_goes_on_and_ends_the_same(
    base: Path, points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (points / "mine.yaml").write_text(document(f"    freeze: true\n{ADAPTERS}", adapters="first,second"))
    options: dict[str, Any] = {"recipe": "recipe.yaml", "weights": base}
    train_document("mine.yaml", out="whole", **options)
    from composer.training import loop
    from composer.training.state import save_state

    def save_once(*args: Any) -> None:
        save_state(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_state", save_once)
    with pytest.raises(KeyboardInterrupt):
        train_document("mine.yaml", out="parts", **options)
    monkeypatch.setattr(loop, "save_state", save_state)
    stored = torch.load("parts.checkpoint")["modules"]
    assert not any(key.startswith("body.") for key in stored)
    train_document("mine.yaml", out="parts", resume=True, **options)
    whole = load_file("whole.safetensors")
    assert all(torch.equal(value, whole[key]) for key, value in load_file("parts.safetensors").items())
    other = composer.load("plain.yaml", weights=base)
    other.weights["head"].get_parameter("map.bias").data += 1
    save_weights(other.weights, points / "other.safetensors")
    options["weights"] = points / "other.safetensors"
    with pytest.raises(InputError, match="began with other weights"):
        train_document("mine.yaml", out="whole", resume=True, **options)


def test_training_goes_on_from_what_was_trained_alone(base: Path, points: Path) -> None:
    (points / "mine.yaml").write_text(document(f"    freeze: true\n{ADAPTERS}", adapters="first,second"))
    train_document("mine.yaml", out="runs/one", recipe="recipe.yaml", weights=base, epochs=1)
    (points / "recipe.yaml").write_text(RECIPE.format(name="sort-second"))
    train_document("mine.yaml", out="two", recipe="recipe.yaml", weights="runs/one.safetensors", epochs=1)
    assert {key.partition(".")[0] for key in load_file("two.safetensors")} == {"body+second", "head"}
    model = composer.load("mine.yaml", weights="two.safetensors")
    report = model.loading
    assert report is not None
    names = [Path(source.name).name for source in report.sources]
    assert names == ["two.safetensors", "one.safetensors", "base.safetensors"]
    assert report.unasked == ()
    first = model.weights["body+first"].get_parameter("layers.0.lora_B.weight")
    assert torch.equal(first, load_file("runs/one.safetensors")["body+first.layers.0.lora_B.weight"])


def test_sources_of_the_document_stay_where_they_are(base: Path, points: Path) -> None:
    """A module's own source is left out of what is written, and read again with it."""
    (points / "mine.yaml").write_text(
        document(f"    freeze: true\n    weights: base.safetensors\n{ADAPTERS}", adapters="first,second")
    )
    body = {key.removeprefix("body."): it for key, it in load_file(base).items() if key.startswith("body.")}
    save_file(body, points / "base.safetensors")
    train_document("mine.yaml", out="runs/one", recipe="recipe.yaml", epochs=1)
    assert {key.partition(".")[0] for key in load_file("runs/one.safetensors")} == {"body+first", "head"}
    whole = composer.load("mine.yaml", weights="runs/one.safetensors")
    assert torch.equal(whole.weights["body"].get_parameter("scale"), body["scale"])
    assert whole.loading is not None
    assert [module.initialised > 0 for module in whole.loading.modules if module.name == "body+first"] == [
        False
    ]
    parts = composer.load(
        "mine.yaml", weights={"body+first": "runs/one.safetensors", "head": "runs/one.safetensors"}
    )
    assert torch.equal(asked(whole, "sort-first"), asked(parts, "sort-first"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("    freeze: [layer.0]\n", r"no weight or part of module `body` called `layer\.0`"),
        ("    freeze: [body.layers.0]\n", r"called `body\.layers\.0`"),
        (
            "    adapters: {first: {with: {targets: [layer.1]}}}\n",
            r"no part of module `body` called `layer\.1`",
        ),
        ("    adapters: {first: {with: {targets: [norm]}}}\n", r"`norm` cannot be adapted.*is a BatchNorm1d"),
        (
            "    adapters: {first: {with: {targets: [idle]}}}\n",
            "no gradient reaches adapter `first` of module `body`",
        ),
    ],
)
def test_names_that_a_module_has_not_are_told_at_their_place(points: Path, body: str, said: str) -> None:
    text = document(body, adapters="first" if "adapters" in body else "")
    (points / "mine.yaml").write_text(text)
    (points / "recipe.yaml").write_text(
        RECIPE.format(name="sort-first" if "adapters" in body else "sort-plain")
    )
    with pytest.raises(DocumentError, match=said) as caught:
        check_training("mine.yaml", recipe="recipe.yaml")
    (problem,) = caught.value.problems
    assert problem.place.file == "mine.yaml"
    assert problem.place.line == 6
    if "layer" in body:
        assert any("did you mean `layers." in text for text in problem.helps), problem.helps


def test_all_frozen_by_name_is_told(points: Path) -> None:
    (points / "mine.yaml").write_text(document('    freeze: ["*"]\n', adapters="", head=', freeze: ["*"]'))
    (points / "recipe.yaml").write_text(RECIPE.format(name="sort-plain"))
    with pytest.raises(InputError, match=r"no weight that could be trained.*all of them are frozen"):
        check_training("mine.yaml", recipe="recipe.yaml")


def test_a_file_of_adapters_tells_what_they_belong_to(
    base: Path, points: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`composer inspect`, without the document: the module, the document and the digest of the base."""
    from composer.cli import main
    from composer.files import sha256_of

    (points / "mine.yaml").write_text(document(f"    freeze: true\n{ADAPTERS}", adapters="first,second"))
    train_document("mine.yaml", out="runs/one", recipe="recipe.yaml", weights=base, epochs=1)
    capsys.readouterr()
    assert main(["inspect", "runs/one.safetensors", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    own = told["modules"]["body+first"]
    assert (own["of"], own["adapter"], own["ranks"], own["parts"]) == ("body", "first", [2], 2)
    assert told["document"] == "points"
    (below,) = told["bases"]
    assert below["modules"] == ["body"]
    assert below["source"]["sha256"] == sha256_of(base)
    assert main(["inspect", "runs/one.safetensors"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.endswith("adapter `first` of module `body`: rank 2 beside 2 parts") for line in lines)
    assert "trained in document: points" in lines
    assert f"base of body: ../base.safetensors, SHA-256 {sha256_of(base)}" in lines
    (points / "mine.yaml").write_text(document(ADAPTERS, adapters="first"))
    train_document("mine.yaml", out="runs/two", recipe="recipe.yaml", weights=base, epochs=1)
    assert main(["inspect", "runs/two.safetensors"]) == 0
    assert "base of body+first: `body`, which is in this file" in capsys.readouterr().out
    alone = {"body+first.w.lora_A.weight": torch.zeros(2, 4)}
    save_file(alone, "alone.safetensors")
    assert main(["inspect", "alone.safetensors"]) == 0
    assert "base of body+first: `body`, and nothing says which weights" in capsys.readouterr().out
    Path("broken.safetensors").write_bytes(Path("alone.safetensors").read_bytes()[:40])
    assert main(["inspect", "broken.safetensors"]) == 1
    assert "its safetensors header is damaged" in capsys.readouterr().err
