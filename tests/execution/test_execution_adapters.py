"""Adapters beside every sort of part: merged or beside their module, they do the same, and leave the module alone."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional

from composer.execution import Model, load
from composer.graph import check
from composer.language import Source
from composer.plugin import Method, ModuleType, NoConfig, Register, Registry, hookimpl, load_registry
from composer.problems import InputError
from composer.types import Signature
from composer.weights import WeightsError, load_weights, save_weights

DOCUMENT = """\
composer: 1
name: parts
modules:
  body:
    uses: demo.body
    adapters:
      mine: {with: {rank: 2, alpha: 3, dropout: 0.2, targets: [%s]}}
tasks:
  adapted:
    inputs: {ids: {modality: array, with: {kind: labels, dims: [B, 6]}}}
    nodes: {y: {call: body, adapter: mine, inputs: ids}}
    outputs: {y: y}
  plain:
    inputs: {ids: {modality: array, with: {kind: labels, dims: [B, 6]}}}
    nodes: {y: {call: body, inputs: ids}}
    outputs: {y: y}
"""
IDS = [torch.tensor([1, 2, 3, 4, 0, 1]).numpy()]
TARGETS = ("words", "conv", "twice.first", "attention.out_proj", "head", "bare")


class Body(nn.Module):
    """labels[B, 6] → embedding[B, 8]: an embedding whose weight a tied head applies, a convolution, a map that stands
    in two places, an attention that reads its output map, and a map without bias."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(5, 8)
        self.conv = nn.Conv1d(8, 8, 3, padding=1)
        self.twice = nn.ModuleDict({"first": nn.Linear(8, 8)})
        self.twice["second"] = self.twice["first"]
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 5)
        self.head.weight = self.words.weight
        self.bare = nn.Linear(5, 8, bias=False)
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, *, ids: Tensor) -> Tensor:
        assert self.words.num_embeddings == 5
        values = self.conv(self.words(ids).transpose(1, 2)).transpose(1, 2)
        values = self.twice["second"](torch.tanh(self.twice["first"](values))) * self.scale
        values, _ = self.attention(values, values, values, need_weights=False)
        scores = functional.linear(values, self.words.weight) + self.head(values)
        return self.bare(scores).mean(1)


def build(config: NoConfig) -> Body:
    return Body()


@pytest.fixture(scope="module")
def registry() -> Registry:
    class Plugin:
        @hookimpl
        def composer_register(self, register: Register) -> None:
            signature = Signature({"ids": "labels[B, L]"}, {"embedding": "embedding[B, 8]"})
            method = Method(lambda config: signature)
            register(
                ModuleType("demo.body", NoConfig, {"forward": method}, f"{__name__}:build", "All sorts.")
            )

    return load_registry([("demo", Plugin())])


def loaded(registry: Registry, *targets: str, **options: Any) -> Model:
    report = check(Source("parts.yaml", DOCUMENT % ", ".join(targets)), registry=registry)
    return load(report, registry=registry, **{"weights": "initial", **options})


def spread(model: Model) -> None:
    """Let the adapter do something."""
    for parameter in model.weights["body+mine"].parameters():
        nn.init.normal_(parameter, std=0.5)


@pytest.mark.parametrize("target", TARGETS)
def test_a_part_of_each_sort_is_adapted_merged_and_left_alone(
    registry: Registry, tmp_path: Any, target: str
) -> None:
    torch.manual_seed(1)
    both = loaded(registry, target)
    before = both.run("plain", ids=IDS)["y"]
    assert torch.equal(both.run("adapted", ids=IDS)["y"], before)  # fresh: nothing has changed
    own = {name: tensor.clone() for name, tensor in both.weights["body"].state_dict().items()}
    spread(both)
    beside = both.run("adapted", ids=IDS)["y"]
    assert not torch.allclose(beside, before)
    assert torch.equal(both.run("plain", ids=IDS)["y"], before)
    save_weights(both.weights, tmp_path / "all.safetensors")
    alone = loaded(registry, target, weights=tmp_path / "all.safetensors", tasks=["adapted"])
    torch.testing.assert_close(alone.run("adapted", ids=IDS)["y"], beside)
    assert not any("lora" in name for name, _ in alone.modules["body+mine"].named_parameters())
    again = loaded(registry, target, weights=tmp_path / "all.safetensors")
    assert torch.equal(again.run("adapted", ids=IDS)["y"], beside)
    assert all(torch.equal(tensor, own[name]) for name, tensor in again.weights["body"].state_dict().items())


def test_half_precision_keeps_adapters_in_it(registry: Registry) -> None:
    model = loaded(registry, "head", "conv", dtype="bfloat16")
    spread(model)
    assert {p.dtype for p in model.modules["body+mine"].parameters()} == {torch.bfloat16}
    assert model.run("adapted", ids=IDS)["y"].dtype == torch.bfloat16


def test_the_report_counts_adapters_and_says_which_are_fresh(registry: Registry, tmp_path: Any) -> None:
    model = loaded(registry, "conv")
    save_weights({"body": model.weights["body"]}, tmp_path / "plain.safetensors")
    report = loaded(registry, "conv", weights=tmp_path / "plain.safetensors").loading
    assert report is not None
    assert {row.name: (row.loaded > 0, row.initialised) for row in report.modules} == {
        "body": (True, 0),
        "body+mine": (False, 2),
    }
    (told,) = report.unasked
    assert told.endswith("the adapter `mine` of `body` is fresh: it changes nothing until it is trained")
    save_weights(model.weights, tmp_path / "all.safetensors")
    report = loaded(registry, "conv", weights=tmp_path / "all.safetensors").loading
    assert report is not None
    assert report.unasked == ()
    plain = loaded(registry, "conv", weights=tmp_path / "all.safetensors", tasks=["plain"]).loading
    assert plain is not None
    assert set(plain.not_needed.values()) == {"body+mine"}


def test_an_adapter_of_another_rank_or_name_or_in_part_is_refused(registry: Registry, tmp_path: Any) -> None:
    model = loaded(registry, "conv")
    held = dict(model.weights["body+mine"].state_dict())
    body = {f"body.{name}": tensor for name, tensor in model.weights["body"].state_dict().items()}
    modules = model.weights
    first = {f"body+mine.{name}": tensor for name, tensor in list(held.items())[:1]}
    with pytest.raises(WeightsError, match=r"1 parameter missing.*\n.*body\+mine\.conv\.lora_B"):
        load_weights(modules, {**body, **first})
    narrow = {f"body+mine.{name}": tensor[:1] for name, tensor in held.items()}
    with pytest.raises(WeightsError, match="another shape"):
        load_weights(modules, {**body, **narrow})
    other = {f"body+other.{name}": tensor for name, tensor in held.items()}
    with pytest.raises(WeightsError, match=r"nothing takes.*\n.*body\+other"):
        load_weights(modules, {**body, **other})


def test_an_adapter_that_peft_wrote_is_read(registry: Registry, tmp_path: Any) -> None:
    """Its keys begin with the words that peft puts before those of the model."""
    torch.manual_seed(2)
    body = Body()
    save_weights({"body": body}, tmp_path / "body.safetensors")
    theirs = get_peft_model(body, LoraConfig(r=2, lora_alpha=3, target_modules=["conv", "bare"]))
    for name, parameter in theirs.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter)
    theirs.save_pretrained(str(tmp_path / "theirs"))
    model = loaded(
        registry,
        "conv",
        "bare",
        weights={"*": tmp_path / "body.safetensors", "body+mine": tmp_path / "theirs"},
        root={"body+mine": "base_model.model"},
    )
    with torch.no_grad():
        wanted = theirs.eval()(ids=torch.as_tensor(IDS[0])[None])
    torch.testing.assert_close(model.run("adapted", ids=IDS)["y"], wanted)


def test_without_peft_the_way_to_install_it_is_told(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match=r"adapters need peft.*multimodal-composer\[adapters\]"):
        loaded(registry, "conv")
    report = check(Source("parts.yaml", DOCUMENT % "conv"), registry=registry)
    assert load(report, registry=registry, weights="initial", tasks=["plain"]).run(ids=IDS)["y"].shape == (
        1,
        8,
    )


def test_other_weights_of_an_adapter_or_below_it_are_another_model(registry: Registry) -> None:
    torch.manual_seed(1)
    model = loaded(registry, "conv")
    adapted, plain = model.fingerprint("adapted"), model.fingerprint("plain")
    spread(model)
    assert model.fingerprint("plain") == plain
    trained = model.fingerprint("adapted")
    assert trained != adapted
    with torch.no_grad():
        model.weights["body"].state_dict()["scale"].add_(1)
    assert model.fingerprint("plain") != plain
    assert model.fingerprint("adapted") != trained
