"""Wrappers are taken off by the stated rule and told; where the rule does not hold, the cause is named first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from composer.plugin import Layout, Rule
from composer.weights import LoadReport, WeightsError, load_weights

from .conftest import Encoder, native, randomised

State = dict[str, Tensor]
Modules = dict[str, nn.Module]


def refused(modules: Modules, checkpoint: Mapping[str, Tensor], **options: Any) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        load_weights(modules, checkpoint, **options)
    return caught.value


def holds(modules: Modules, state: State) -> bool:
    return all(torch.equal(value, state[name]) for name, value in native(modules).items())


@pytest.mark.parametrize(
    "prefix",
    ["module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.", "model.module.", "model._orig_mod.",
     "module.module."],
)  # fmt: skip
def test_a_wrapper_before_every_key_is_taken_off_and_told(
    modules: Modules, state: State, prefix: str
) -> None:
    report = load_weights(modules, {prefix + key: value for key, value in state.items()})
    assert holds(modules, state)
    for word in prefix.rstrip(".").split("."):
        assert f"`{word}.` was taken off the keys" in report.notes
        assert f"`{word}.` was taken off the keys" in str(report)


@pytest.mark.parametrize("word", ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
def test_words_of_torch_are_taken_out_inside_keys_and_from_some_alone(
    modules: Modules, state: State, word: str
) -> None:
    wrapped = {key.replace("text.", f"text.{word}.", 1): value for key, value in state.items()}
    assert any(key.startswith("vision.layers") for key in wrapped)
    report = load_weights(modules, wrapped)
    assert holds(modules, state)
    assert report.notes == (f"`{word}.` was taken off the keys",)


def test_a_module_of_that_name_keeps_its_keys() -> None:
    modules: Modules = {"model": Encoder(), "module": Encoder(width=6)}
    state = randomised(native(modules))
    assert load_weights(modules, state).notes == ()
    assert holds(modules, state)
    wrapped = {f"module.{key}": value for key, value in state.items()}
    assert load_weights(modules, wrapped).notes == ("`module.` was taken off the keys",)
    assert holds(modules, state)


def test_a_layout_reads_its_keys_before_a_wrapper_is_thought_of(modules: Modules, state: State) -> None:
    published = {f"model.{key}": value for key, value in state.items()}
    by_name = Layout("named", "", lambda parameters: (Rule(r"model\.(.+)", r"\1"),))
    assert load_weights(modules, published, layout=by_name).notes == ()
    plain = Layout("plain", "", lambda parameters: (Rule(r"(text|vision)\.(.+)", r"\1.\2"),))
    assert load_weights(modules, published, layout=plain).notes == ("`model.` was taken off the keys",)


def test_two_keys_that_would_become_one_are_left_as_they_are(modules: Modules, state: State) -> None:
    both = {**state, "text._orig_mod.positions": state["text.positions"] + 1}
    assert "text._orig_mod.positions" in str(refused(modules, both))


def test_another_word_before_every_key_is_named_with_its_cure(modules: Modules, state: State) -> None:
    error = refused(modules, {f"net.core.{key}": value for key, value in state.items()})
    first, second, *_ = str(error).splitlines()
    assert first.endswith("nothing was loaded:")
    assert "every key begins with `net.core.`" in second
    assert "--root net.core (root='net.core')" in second


def test_a_wrapper_before_some_keys_is_named_with_its_cure(modules: Modules, state: State) -> None:
    some = {**{f"model.{key}": value for key, value in state.items()}, "loss.weight": torch.zeros(3)}
    assert "22 keys begin with `model.` and fit without it: --root model" in str(refused(modules, some))


def test_a_checkpoint_that_a_layout_reads_names_the_layout(modules: Modules, state: State) -> None:
    published = {"bert." + key.replace("text.", "t_", 1): value for key, value in state.items()}
    rules = (Rule(r"bert\.t_(.+)", r"text.\1"), Rule(r"bert\.(vision\..+)", r"\1"))
    layouts = [
        Layout("other", "", lambda parameters: (Rule(r"resnet\.(.+)", r"\1"),)),
        Layout("picky", "", lambda parameters: (Rule(str(parameters["lost"]), "x"),)),
        Layout("bertish", "", lambda parameters: rules),
    ]
    error = refused(modules, published, layouts=layouts)
    assert (
        "its keys read like those of the layout `bertish`: add --layout bertish" in str(error).splitlines()[1]
    )


def test_modules_without_a_key_are_named_with_init(modules: Modules, state: State) -> None:
    part = {key: value for key, value in state.items() if key.startswith("text.")}
    error = refused(modules, part)
    assert "the checkpoint holds nothing for `vision`" in str(error).splitlines()[1]
    assert "--init vision (init=['vision'])" in str(error)
    before = {name: value.clone() for name, value in native(modules).items()}
    report = load_weights(modules, part, fresh=["vision"])
    assert [(each.name, each.loaded, each.initialised) for each in report.modules] == [
        ("text", 13, 0),
        ("vision", 0, 9),
    ]
    assert "initialised by rule '--init vision'" in str(report)
    after = native(modules)
    assert all(torch.equal(after[name], before[name]) for name in after if name.startswith("vision."))
    assert all(torch.equal(after[name], state[name]) for name in part)


def test_a_fresh_module_stays_fresh_although_the_checkpoint_has_it(modules: Modules, state: State) -> None:
    before = native(modules)["vision.layers.0.norm.bias"].clone()
    report: LoadReport = load_weights(modules, state, fresh=["vision"])
    assert torch.equal(native(modules)["vision.layers.0.norm.bias"], before)
    assert set(report.ignored.values()) == {"--init vision"}


def test_a_long_list_counts_by_module_and_is_whole_in_the_details() -> None:
    text = Encoder(width=6, layers=12)
    modules: Modules = {"text": text, "vision": Encoder(width=4, layers=2)}
    for number, layer in enumerate(text.layers):
        text.layers[number] = nn.ModuleDict({f"part{number}": layer})
    state = native(modules)
    larger = {
        key: torch.zeros([size * 2 for size in value.shape], dtype=value.dtype)
        for key, value in state.items()
    }
    error = refused(modules, larger, parameters={"hidden": 6, "depth": 6, "vision": 4}, changed=["hidden"])
    lines = str(error).splitlines()
    assert len(lines) < 12
    assert (
        "the document asks text, vision for 6 where the checkpoint has 12: set `hidden` to 12 (now 6)"
        in lines[1]
    )
    assert "--loading-report lists them all" in lines[-1]
    assert all(f"part{number}" in error.details for number in range(12))
