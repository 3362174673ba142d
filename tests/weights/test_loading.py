"""Strict loading: what fits is loaded and shared, what does not is listed whole, and nothing is half-loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from composer.plugin import Layout, Rule
from composer.weights import WeightsError, load_weights, read_checkpoint
from composer.weights.loading import SourcePart, load_sources

from .conftest import Encoder, TiedDecoder, native, randomised

Write = Callable[[Mapping[str, Tensor]], Path]
Modules = dict[str, nn.Module]
State = dict[str, Tensor]


def layout(*rules: Rule, initialised: Mapping[str, str] | None = None, **transforms: str) -> Layout:
    here = __name__.rpartition(".")[0]
    references = {name: f"{here}.transforms:{function}" for name, function in transforms.items()}
    return Layout("test", "", lambda parameters: rules, transforms=references, initialised=initialised or {})


def refused(modules: Modules, checkpoint: Mapping[str, Tensor], **options: Any) -> str:
    """The error's text, after holding that the modules are untouched, to the object."""
    before = {name: value.clone() for name, value in native(modules).items()}
    objects = [id(parameter) for module in modules.values() for parameter in module.parameters()]
    with pytest.raises(WeightsError) as caught:
        load_weights(modules, checkpoint, **options)
    assert [id(parameter) for module in modules.values() for parameter in module.parameters()] == objects
    for name, value in native(modules).items():
        assert torch.equal(value, before[name])
    return str(caught.value)


def test_native_weights_load_whole(modules: Modules, state: State, written: Write) -> None:
    report = load_weights(modules, read_checkpoint(written(state)))
    for name, value in native(modules).items():
        assert torch.equal(value, state[name])
    assert [(m.name, m.loaded, m.initialised) for m in report.modules] == [("text", 13, 0), ("vision", 9, 0)]
    assert report.modules[0].values == 3 * (16 + 4 + 4 + 4) + 4


def test_modules_on_the_meta_device_take_their_values_from_the_checkpoint(
    state: State, written: Write
) -> None:
    with torch.device("meta"):
        modules = {"text": Encoder(), "vision": Encoder(width=6, layers=2)}
    for module in modules.values():
        module.scratch = torch.zeros(2)  # transient buffers must have a value
    load_weights(modules, read_checkpoint(written(state)))
    for name, value in native(modules).items():
        assert torch.equal(value, state[name])


def test_what_no_checkpoint_holds_must_not_be_on_the_meta_device(state: State) -> None:
    with torch.device("meta"):
        modules: Modules = {"text": Encoder(), "vision": Encoder(width=6, layers=2)}
    with pytest.raises(
        WeightsError, match=r"text.scratch: is not loaded and has no value on the meta device"
    ):
        load_weights(modules, state)


def test_tensors_are_shared_with_the_checkpoint_and_copied_only_to_convert(
    modules: Modules, state: State
) -> None:
    load_weights(modules, state)
    parameters = dict(modules["text"].named_parameters())
    assert parameters["layers.0.query.weight"].data_ptr() == state["text.layers.0.query.weight"].data_ptr()
    load_weights(modules, state, dtype=torch.float64)
    assert all(p.dtype == torch.float64 for m in modules.values() for p in m.parameters())
    assert modules["text"].positions.dtype == torch.int64
    assert torch.equal(native(modules)["text.layers.0.norm.bias"], state["text.layers.0.norm.bias"].double())


def test_half_precision_files_load_into_the_modules_own_format(modules: Modules, state: State) -> None:
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    load_weights(modules, half)
    for name, value in native(modules).items():
        assert value.dtype == state[name].dtype
        assert torch.equal(value, half[name].to(value.dtype))


def test_requires_grad_is_kept(modules: Modules, state: State) -> None:
    modules["text"].requires_grad_(False)
    load_weights(modules, state)
    assert {p.requires_grad for p in modules["text"].parameters()} == {False}
    assert {p.requires_grad for p in modules["vision"].parameters()} == {True}


def test_all_faults_are_listed_at_once_with_layers_collapsed(modules: Modules, state: State) -> None:
    faulty = {key.replace("text.layers", "text.layer"): value for key, value in state.items()}
    faulty["text.positions"] = faulty["text.positions"].float()
    faulty["vision.positions"] = torch.zeros(9, dtype=torch.int64)
    faulty["vision.layers.0.query.weight"][0, 0] = float("nan")
    faulty["vision.layers.1.query.weight"][0, 0] = float("nan")
    faulty["vision.layers.1.norm.bias"][3] = float("-inf")
    faulty["ghost.7"] = torch.zeros(1)
    text = refused(modules, faulty)
    assert text.splitlines() == [
        "the checkpoint does not fit text, vision; nothing was loaded:",
        "  12 parameters missing from the checkpoint:",
        "    text.layers.{0..2}.query.weight (3)   nearest key: text.layer.{0..2}.query.weight",
        "    text.layers.{0..2}.query.bias (3)   nearest key: text.layer.{0..2}.query.bias",
        "    text.layers.{0..2}.norm.weight (3)   nearest key: text.layer.{0..2}.norm.weight",
        "    text.layers.{0..2}.norm.bias (3)   nearest key: text.layer.{0..2}.norm.bias",
        "  13 keys of the checkpoint that nothing takes:",
        "    text.layer.{0..2}.query.weight (3)   nearest parameter: text.layers.{0..2}.query.weight",
        "    text.layer.{0..2}.query.bias (3)   nearest parameter: text.layers.{0..2}.query.bias",
        "    text.layer.{0..2}.norm.weight (3)   nearest parameter: text.layers.{0..2}.norm.weight",
        "    text.layer.{0..2}.norm.bias (3)   nearest parameter: text.layers.{0..2}.norm.bias",
        "    ghost.7",
        "  1 tensor of another shape:",
        "    vision.positions: expected [6], found [9]",
        "    is this a checkpoint of another size than the document's parameters say?",
        "  1 tensor of another dtype:",
        "    text.positions: expected int64, found float32",
        "  the checkpoint holds 2 tensors with NaN: vision.layers.{0..1}.query.weight (2)",
        "  the checkpoint holds 1 tensor with infinite values: vision.layers.1.norm.bias",
    ]


def test_a_checkpoint_of_another_size_says_so(modules: Modules) -> None:
    larger = randomised(native({"text": Encoder(width=8), "vision": Encoder(width=6, layers=2)}))
    text = refused(modules, larger)
    assert "13 tensors of another shape:" in text
    assert "text.layers.{0..2}.query.weight (3): expected [4, 4], found [8, 8]" in text
    assert "another size than the document's parameters say?" in text


def test_a_deeper_checkpoint_names_its_surplus_layers(modules: Modules) -> None:
    deeper = randomised(native({"text": Encoder(layers=5), "vision": Encoder(width=6, layers=2)}))
    assert "text.layers.{3..4}.query.weight (2)" in refused(modules, deeper)


def test_a_partial_checkpoint_is_refused(modules: Modules, state: State, written: Write) -> None:
    del state["vision.layers.1.norm.bias"]
    path = written(state)
    text = refused(modules, read_checkpoint(path))
    assert text.startswith(f"{path} does not fit text, vision")
    assert "1 parameter missing from the checkpoint:\n    vision.layers.1.norm.bias" in text


def test_infinite_buffers_are_masks_and_load(modules: Modules) -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mask", torch.zeros(2))

    masked = {"m": Masked()}
    load_weights(masked, {"m.mask": torch.tensor([0.0, float("-inf")])})
    assert torch.equal(masked["m"].get_buffer("mask"), torch.tensor([0.0, float("-inf")]))
    load_weights(masked, {"m.mask": torch.tensor([0.0, float("-inf")])}, dtype=torch.float16)
    assert masked["m"].get_buffer("mask").dtype == torch.float16


def test_values_beyond_the_range_of_the_wanted_dtype_are_refused(modules: Modules, state: State) -> None:
    state["text.layers.0.query.weight"][0, 0] = 1e6
    text = refused(modules, state, dtype=torch.float16)
    assert "text.layers.0.query.weight: has values beyond the range of float16" in text


def test_sparse_tensors_are_refused(modules: Modules, state: State) -> None:
    state["text.layers.0.query.weight"] = state["text.layers.0.query.weight"].to_sparse()
    assert "expected float32, found float32 (sparse_coo)" in refused(modules, state)


def test_tensors_without_values_are_refused(modules: Modules, state: State) -> None:
    state["text.layers.0.query.weight"] = state["text.layers.0.query.weight"].to("meta")
    assert "expected float32, found float32 without values" in refused(modules, state)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_tensors_of_several_lengths_are_refused(modules: Modules, state: State) -> None:
    state["text.layers.0.query.weight"] = torch.nested.nested_tensor([torch.ones(3), torch.ones(4)])
    assert "expected float32, found float32 (nested)" in refused(modules, state)


def test_what_a_module_without_values_expects_is_told_by_its_format() -> None:
    module = torch.nn.Linear(3, 2, bias=False, device="meta")
    with pytest.raises(WeightsError, match="expected float32, found int8"):
        load_weights({"head": module}, {"head.weight": torch.zeros(2, 3, dtype=torch.int8)})


def test_swapped_axes_are_told_as_such() -> None:
    text = refused({"head": torch.nn.Linear(3, 2, bias=False)}, {"head.weight": torch.zeros(3, 2)})
    assert "their axes are swapped" in text
    assert "another size" not in text


def test_an_empty_checkpoint_lacks_everything_and_suits_modules_without_weights(modules: Modules) -> None:
    assert "22 parameters missing" in refused(modules, {})
    assert load_weights({"m": nn.Identity()}, {}).modules[0].loaded == 0


def test_tensors_without_elements_load() -> None:
    module = nn.Module()
    module.register_buffer("none", torch.zeros(0, 3))
    assert load_weights({"m": module}, {"m.none": torch.ones(0, 3)}).modules[0].loaded == 1


def test_tied_parameters_are_counted_once_and_stay_tied() -> None:
    decoder = TiedDecoder()
    modules: Modules = {"decoder": decoder}
    state = randomised({key: value for key, value in native(modules).items() if key != "decoder.head.weight"})
    report = load_weights(modules, state)
    assert decoder.words.weight is decoder.head.weight
    assert torch.equal(decoder.head.weight, state["decoder.words.weight"])
    assert (report.modules[0].loaded, report.modules[0].values) == (2, 7 * 4 + 7)


def test_tied_parameters_load_from_either_or_both_names() -> None:
    decoder = TiedDecoder()
    modules: Modules = {"decoder": decoder}
    state = randomised(native(modules))
    words = state["decoder.words.weight"]
    for keys in (("head",), ("words", "head")):
        given_state = {"decoder.head.bias": state["decoder.head.bias"]}
        given_state |= {f"decoder.{key}.weight": words.clone() for key in keys}
        load_weights(modules, given_state)
        assert decoder.words.weight is decoder.head.weight
        assert torch.equal(decoder.words.weight, words)
    state["decoder.head.weight"] = words + 1
    text = refused(modules, state)
    assert (
        "decoder.head.weight: tied to decoder.words.weight, but the checkpoint's decoder.head.weight differs"
        in text
    )


def test_tied_parameters_that_a_layout_lets_start_fresh_are_drawn_once_and_stay_tied() -> None:
    with torch.device("meta"):
        decoder = TiedDecoder()
    fresh = layout(Rule("(.*)", r"\1"), initialised={r"decoder\.words\.weight": "learnt anew"})
    drawn = TiedDecoder()
    part = SourcePart({"decoder.head.bias": torch.ones(7)}, ("decoder",), fresh)
    load_sources({"decoder": decoder}, [part], draw=lambda module: drawn)
    assert decoder.words.weight is decoder.head.weight
    assert torch.equal(decoder.head.weight, drawn.words.weight)


def test_a_module_under_two_names_is_one_set_of_weights() -> None:
    shared = nn.Linear(2, 3)
    report = load_weights(
        {"first": shared, "second": shared}, {"first.weight": torch.ones(3, 2), "first.bias": torch.ones(3)}
    )
    assert [module.loaded for module in report.modules] == [2, 0]
    assert torch.equal(shared.weight, torch.ones(3, 2))


def test_a_layout_renames_transforms_ignores_and_initialises(modules: Modules, state: State) -> None:
    published = {
        re.sub(r"^text\.layers\.(\d+)\.", r"bert.encoder.layer.\1.", key): v for key, v in state.items()
    }
    for i in range(3):
        published[f"bert.encoder.layer.{i}.query.weight"] = published[
            f"bert.encoder.layer.{i}.query.weight"
        ].T
    published |= {"bert_m.a": torch.zeros(1), "bert_m.b": torch.zeros(1), "fusion.w": torch.zeros(1)}
    del published["vision.positions"]
    report = load_weights(
        modules,
        published,
        layout=layout(
            Rule(
                r"bert\.encoder\.layer\.(\d+)\.query\.weight",
                r"text.layers.\1.query.weight",
                transform="turn",
            ),
            Rule(r"bert\.encoder\.layer\.(\d+)\.(.+)", r"text.layers.\1.\2"),
            Rule(r"bert_m\..+", None, name="momentum twin"),
            Rule(r"(.+)", r"\1"),
            initialised={r"vision\.positions": "counted, not learnt"},
            turn="transpose",
        ),
        declared=("text", "vision", "fusion"),
    )
    for name, value in native(modules).items():
        if name != "vision.positions":
            assert torch.equal(value, state[name])
    assert str(report).splitlines() == [
        "the checkpoint read by layout test",
        "  module  loaded         values  initialised",
        "  text        13             88            0",
        "  vision       8            108            1",
        "  ignored by rule 'momentum twin': 2 keys",
        "  initialised by rule 'counted, not learnt': vision.positions",
        "  not needed by the loaded tasks: 1 key of fusion",
    ]
    assert json.loads(json.dumps(report.as_dict()))["ignored"] == {
        "bert_m.a": "momentum twin",
        "bert_m.b": "momentum twin",
    }


def test_a_layout_that_maps_to_nothing_shows_where_its_rule_led(modules: Modules, state: State) -> None:
    state["old.0"], state["old.1"] = torch.zeros(1), torch.zeros(1)
    text = refused(modules, state, layout=layout(Rule(r"old\.(\d)", r"text.lost.\1"), Rule("(.+)", r"\1")))
    assert "    old.{0..1} (2) → text.lost.{0..1}" in text


def test_two_keys_for_one_parameter_are_refused(modules: Modules, state: State) -> None:
    state["again"] = state["text.positions"]
    text = refused(modules, state, layout=layout(Rule("again", "text.positions"), Rule("(.+)", r"\1")))
    assert "1 parameter claimed by more than one key:\n    text.positions: text.positions, again" in text


def test_a_failing_or_unknown_transform_is_named(modules: Modules, state: State) -> None:
    rules = (Rule(r"text\.positions", "text.positions", transform="resize"), Rule("(.+)", r"\1"))
    text = refused(modules, state, layout=layout(*rules, resize="fail"))
    assert "text.positions: transform 'resize' failed on shape [4]: no grid" in text
    with pytest.raises(WeightsError, match="has a rule with the transform 'resize', but offers none"):
        load_weights(modules, state, layout=layout(*rules))


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_renaming_and_order_round_trips_through_its_layout(data: st.DataObject) -> None:
    """Keys with every character that a regular expression or a template could trip over, in any order."""
    modules: Modules = {"text": Encoder(layers=2), "decoder": TiedDecoder()}
    state = randomised(native(modules), seed=data.draw(st.integers(0, 2**31)))
    state.pop("decoder.head.weight")
    alphabet = st.characters(codec="utf-8", exclude_categories=["Cs"])
    names = data.draw(
        st.lists(
            st.text(alphabet, min_size=1, max_size=12), min_size=len(state), max_size=len(state), unique=True
        )
    )
    renamed = data.draw(st.permutations(list(zip(names, state, strict=True))))
    rules = tuple(Rule(re.escape(new), old) for new, old in data.draw(st.permutations(renamed)))
    load_weights(modules, {new: state[old] for new, old in renamed}, layout=layout(*rules))
    for name, value in native(modules).items():
        assert torch.equal(value, state[name if name in state else "decoder.words.weight"])
