"""One plugin that keeps every promise, and one for each broken one: the kit says which, and how."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from offering import Offers

from composer.conformance import ConformanceError, ConformanceReport, Result, check_plugin
from composer.plugin import Config, Generation, Method, ModuleType, NoConfig, Vocabulary
from composer.problems import ComposerError
from composer.types import Signature

HERE = __name__.rpartition(".")[0]
STATES = "states[B, N, 8]"
PROMISES = (
    *("signature", "batch", "padding", "determinism", "purity", "device", "half precision", "weights"),
    "export",
)


def same(config: Any) -> Signature:
    return Signature({"states": STATES}, {"states": STATES})


def module_type(
    implementation: str, methods: Mapping[str, Method] | None = None, **options: Any
) -> ModuleType:
    builder = f"{HERE}.implementations:build_{implementation}"
    config = options.pop("config", NoConfig)
    return ModuleType(
        "test.one", config, methods or {"forward": Method(same)}, builder, "For tests.", **options
    )


def check(
    implementation: str, methods: Mapping[str, Method] | None = None, **options: Any
) -> ConformanceReport:
    return check_plugin(Offers(module_type(implementation, methods, **options)))


def outcomes(report: ConformanceReport) -> dict[str, str]:
    return {result.check: result.outcome for result in report.results}


def failure(report: ConformanceReport) -> Result:
    """The only broken promise."""
    assert len(report.failures) == 1, str(report)
    return report.failures[0]


def test_a_good_plugin_keeps_every_promise() -> None:
    report = check("Mixer")
    assert report.passed
    assert outcomes(report) == dict.fromkeys((*PROMISES, "adapters"), "pass")
    report.raise_for_failures()
    assert str(report).splitlines() == [
        "offered",
        "  test.one forward",
        "    pass  signature, batch, padding, determinism, purity, device, half precision, weights, export, adapters",
        "10 passed, 0 skipped, 0 failed",
    ]


def test_all_methods_of_all_examples_are_checked() -> None:
    class Sized(Config):
        width: int

    def pooled(config: Sized) -> Signature:
        width = config.width
        inputs = {"states": f"states[B, N, {width}]", "gain": f"embedding[B, {width}]?"}
        return Signature(inputs, {"embedding": f"embedding[B, {width}]", "scores": f"scores[B, {width}]"})

    def grouped(config: Sized) -> Signature:
        width = config.width
        inputs = {"vision": f"states[B, N, {width}]", "text": f"states[R, L, {width}]", "counts": "counts[B]"}
        return Signature(inputs, {"states": f"states[R, L, {width}]"})

    def joined(config: Sized) -> Signature:
        return Signature(
            {"parts": f"states[B, N, {config.width}]*"}, {"embedding": f"embedding[B, {config.width}]"}
        )

    methods = {
        "pooled": Method(pooled, attribute="pooled"),
        "grouped": Method(grouped, attribute="grouped"),
        "joined": Method(joined, attribute="joined"),
    }
    report = check("Mixer", methods, config=Sized, examples=({"width": 8}, {"width": 8}))
    subjects = {result.subject for result in report.results}
    assert subjects == {f"test.one (width=8) {name}" for name in methods}
    assert [result for result in report.results if result.outcome == "skip"] == []
    assert report.passed, str(report)


@pytest.mark.parametrize(
    ("implementation", "promise", "message"),
    [
        ("WrongWidth", "signature", "states.values: expected states[B, N, 8], got [3, 4, 4] at B=3, N=4"),
        ("SwapsSymbols", "signature", "states.values: expected states[B, N, 8], got [4, 3, 8] at B=3, N=4"),
        ("BareTensor", "signature", "states: expected states[B, N, 8] as States, got a tensor [3, 4, 8]"),
        ("WrongDtype", "signature", "states.values: expected float values, got int64"),
        ("Mapped", "signature", "a method with one output returns the value of states itself"),
        ("Fails", "signature", "raises RuntimeError: no such kernel"),
        ("nothing", "signature", "gives NoConfig, not a torch module"),
        ("lost", "implementation", "implementations:build_lost cannot be imported: it raises AttributeError"),
        ("MixesBatch", "batch", "sample 0 of B=4 alone gives something else: states.values differs by up to"),
        (
            "SeesPadding",
            "padding",
            "3 hidden positions on the right along N change states: values differs by up to",
        ),
        (
            "CountsPadding",
            "padding",
            "3 hidden positions on the right along N change states: values differs by up to",
        ),
        ("LosesMask", "padding", "states lost its mask: positions that N hid come out visible"),
        (
            "NoMaskDiffers",
            "padding",
            "no mask is not the same as a mask that shows everything: states.values differs",
        ),
        ("Random", "determinism", "two runs in eval mode disagree: states.values differs by up to"),
        ("Remembers", "determinism", "two runs in eval mode disagree"),
        ("HiddenWeights", "weights", "with the same state dict, a second module gives something else"),
        ("ExtraState", "weights", "its state dict holds _extra_state, which is not a tensor"),
        ("shared", "weights", "its builder gives the same weights twice"),
        (
            "Wide",
            "signature",
            "states.values: expected float values as the inputs have, float32, got float64",
        ),
        (
            "Narrow",
            "signature",
            "states.values: expected float values as the inputs have, float32, got bfloat16",
        ),
        ("ChangesInput", "purity", "it changes its input states in place, which other nodes read too"),
        ("ChangesMask", "purity", "it changes its input states in place, which other nodes read too"),
        ("CountsCalls", "purity", "a call in eval mode changes calls of the module"),
        ("Grows", "purity", "a call in eval mode changes seen of the module"),
        ("Trains", "purity", "a call in eval mode changes its mode of the module"),
        ("KeepsTheFirst", "purity", "it gives something else than a fresh module: states.values differs"),
        (
            "KeepsTheLast",
            "purity",
            "it keeps `looked_at` of the last call, which two calls at once would mix up",
        ),
        ("DeviceBound", "device", "on another device it mixes tensors of two devices at"),
        ("MakesOnTheHost", "device", "on another device it mixes tensors of two devices at"),
        ("StaysOnTheHost", "device", "on another device it gives states on the cpu"),
        ("FloatBound", "half precision", "in bfloat16 it mixes number formats at"),
        ("Unexportable", "export", "torch.export refuses it"),
        ("Specialised", "export", "torch.export refuses it"),
        ("KeepsItsPart", "adapters", "a gradient reaches the weight of `map`, and not the adapter beside it"),
        (
            "AsksForTheClass",
            "adapters",
            "an adapter that is fresh changes what it gives: states.values differs",
        ),
        ("ReadsNoAdapter", "adapters", "an adapter does not do what its product does in the weights: states"),
    ],
)
def test_a_broken_promise_is_named(implementation: str, promise: str, message: str) -> None:
    report = check(implementation)
    broken = [result for result in report.failures if result.check == promise]
    assert broken, str(report)
    assert message in broken[0].reason
    assert "\n" not in broken[0].reason
    with pytest.raises(ConformanceError, match="offered breaks"):
        report.raise_for_failures()


def test_a_table_that_is_made_once_for_each_size_is_fine() -> None:
    assert outcomes(check("KeepsBySize"))["purity"] == "pass"


def test_what_follows_from_a_wrong_signature_is_not_reported_again() -> None:
    report = check("WrongWidth")
    assert failure(report).check == "signature"
    skipped = [result for result in report.results if result.outcome == "skip"]
    assert {result.reason for result in skipped} == {"the signature was not proven"}
    assert len(skipped) == len(PROMISES) - 1


def test_a_stateless_type_owns_no_weights() -> None:
    report = check("Mixer", stateless=True)
    assert failure(report).reason == "it is declared stateless but owns map.weight, map.bias"


def test_a_method_that_is_not_there_is_named() -> None:
    report = check("Mixer", {"turn": Method(same, attribute="turn")})
    assert failure(report).reason == "Mixer has no method 'turn'"


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({"states": STATES}, {"states": "unheard[B]"}, "no plugin registers the kind 'unheard'"),
        ({"states": "states[B, 8]"}, {"states": STATES}, "the kind is written states[batch, length, width]"),
        ({"states": STATES}, {"one": STATES, "two": STATES}, "where a mapping of one, two is declared"),
        ({"values": STATES}, {"states": STATES}, "unexpected keyword argument 'values'"),
    ],
)
def test_a_signature_that_cannot_hold_is_named(
    inputs: dict[str, str], outputs: dict[str, str], message: str
) -> None:
    report = check("Mixer", {"forward": Method(lambda config: Signature(inputs, outputs))})
    assert message in failure(report).reason


def test_a_method_that_takes_texts_is_given_some() -> None:
    signature = Signature({"texts": "text[B]"}, {"states": STATES})
    fault = failure(check("Mixer", {"forward": Method(lambda config: signature)}))
    assert fault.check == "texts"
    assert "unexpected keyword argument 'texts'" in fault.reason


def test_padding_is_skipped_where_there_is_no_room() -> None:
    def narrow(config: Any) -> Signature:
        return Signature({"states": STATES}, {"states": STATES}, {"N": (2, 4)})

    report = check("Mixer", {"forward": Method(narrow)})
    assert report.passed
    reasons = {result.check: result.reason for result in report.results if result.outcome == "skip"}
    assert reasons == {"padding": "the range of N leaves no room for padding"}


def test_a_type_that_cannot_be_built_asks_for_examples() -> None:
    class Sized(Config):
        width: int

    assert (
        "no default for width, so it cannot be built: give the ModuleType `examples`"
        in failure(check("Mixer", config=Sized)).reason
    )
    assert (
        "its example {'width': 'wide'} is refused"
        in failure(check("Mixer", config=Sized, examples=({"width": "wide"},))).reason
    )


def test_sizes_that_documents_leave_open_are_filled_in() -> None:
    class Open(Config):
        width: int | None = None

    seen: list[int | None] = []

    def signature(config: Open) -> Signature:
        seen.append(config.width)
        port = f"states[B, N, {config.width or 'D'}]"
        return Signature({"states": port}, {"states": port}, fixed={"D": "width"})

    check("Mixer", {"forward": Method(signature)}, config=Open)
    assert seen[0] is None
    assert seen[-1] is not None


def generation(vocabulary: Any) -> Generation:
    def signature(config: Any, options: Any) -> Signature:
        return Signature({"memory": STATES}, {"text": "text[B]"})

    return Generation(signature, lambda config: vocabulary)


WORDS = Vocabulary("text", {"tokenizer": "bert-uncased"}, start=1, end=2, pad=0)


@pytest.mark.parametrize(
    ("implementation", "vocabulary", "message"),
    [
        ("Decoder", WORDS, ""),
        ("Decoder", {"start": 1, "end": 2}, "its vocabulary is a dict, where a Vocabulary was expected"),
        (
            "Decoder",
            replace(WORDS, size=12),
            "its vocabulary has the size 12, and its logits have 11 entries",
        ),
        ("NarrowDecoder", WORDS, "step: expected logits[B, K, V] for ids [3, 3], got [3, 11]"),
        ("StubbornDecoder", WORDS, "reordering the beams of the cache does not reorder the logits"),
        ("Mixer", WORDS, "is built as a Mixer, and it generates: an object with the method `start` is"),
        ("LosesDeviceDecoder", WORDS, "an object with `device` is expected"),
        ("ForgettingDecoder", WORDS, "after `select` of 2 of 3 samples of its cache, step raises"),
        ("HeadDecoder", WORDS, "`select` of the samples [2, 0] of its cache does not select the logits"),
        ("MarsDecoder", WORDS, "the `device` of its cache is 'mars'; a torch.device is expected"),
        ("TurningDecoder", WORDS, "reordering the beams of the cache does not reorder the logits"),
        ("FirstSampleDecoder", WORDS, "reordering the beams of the cache does not reorder the logits"),
        ("ListDecoder", WORDS, "step gives a list; (logits[B, K, V], cache) is expected, a tuple"),
        ("NoCacheDecoder", WORDS, "step gives a NoneType as its cache: an object with the method `reorder`"),
        ("WholeDecoder", WORDS, "step: expected logits of float values, got int64"),
        ("CrossSampleDecoder", WORDS, "sample 0 of B=3 alone has other scores: logits differs by up to"),
        ("CrossBeamDecoder", WORDS, "with beams=1, the tokens of beam 0 of 3 have other scores"),
        ("FixedBeamsDecoder", WORDS, "step: expected logits[B, K, V] for ids [3, 1], got [3, 3, 11]"),
        (
            "OneBeamDecoder",
            WORDS,
            "`reorder` of its cache, asked for 3 beams of 3 samples, raises RuntimeError",
        ),
        ("FixedRoomDecoder", WORDS, "and with max_tokens=9 it raises AssertionError: no room: `start` makes"),
        ("LongerIsLouderDecoder", WORDS, "with max_tokens=9, the same tokens have other scores: logits"),
        ("InPlaceDecoder", WORDS, "does not"),
        (
            "BlindDecoder",
            WORDS,
            "3 hidden positions on the right along N of its memory change the scores: logits differs",
        ),
    ],
)
def test_generation_is_checked_step_by_step(implementation: str, vocabulary: Any, message: str) -> None:
    entry = module_type(implementation, generation=generation(vocabulary))
    report = check_plugin(
        Offers(ModuleType(entry.id, entry.config, {}, entry.builder, "", generation=entry.generation))
    )
    (result,) = (each for each in report.results if each.check == "generation")
    assert message in result.reason
    assert report.passed == (not message)


@pytest.mark.parametrize(
    ("implementation", "message"),
    [
        ("PrefillingDecoder", ""),
        ("CrossPrefillingDecoder", "sample 0 of B=3 alone has other scores: logits differs by up to"),
        (
            "Decoder",
            "is built as a Decoder, and it generates: an object with the method `prefill` is expected",
        ),
    ],
)
def test_a_prompt_is_held_as_steps_are(implementation: str, message: str) -> None:
    entry = module_type(implementation, generation=replace(generation(WORDS), prompt=("memory",)))
    report = check_plugin(
        Offers(ModuleType(entry.id, entry.config, {}, entry.builder, "", generation=entry.generation))
    )
    (result,) = (each for each in report.results if each.check == "generation")
    assert message in result.reason, str(report)
    assert report.passed == (not message)
    assert "after token" not in result.reason


@pytest.mark.parametrize(
    ("implementation", "reason", "outcome", "message"),
    [
        ("Mixer", "", "pass", ""),
        ("Mixer", "it is old", "fail", "declared not exportable (it is old) and can be exported: leave that"),
        ("Unexportable", "", "fail", "if that cannot be helped, declare it with `not_exportable`"),
        ("Unexportable", "it looks at values", "pass", "not exportable, as declared: it looks at values"),
        ("Specialised", "of one length", "pass", "not exportable, as declared: of one length"),
    ],
)
def test_what_cannot_be_exported_says_so(
    implementation: str, reason: str, outcome: str, message: str
) -> None:
    report = check(implementation, {"forward": Method(same, not_exportable=reason)})
    (result,) = (each for each in report.results if each.check == "export")
    assert (result.outcome, message in result.reason) == (outcome, True)


@pytest.mark.parametrize(
    ("implementation", "reason", "outcome", "message"),
    [
        ("Decoder", "", "pass", ""),
        ("Decoder", "it is old", "fail", "can be exported: leave that out"),
        ("CountingDecoder", "", "fail", "cache.steps is a int; a cache is made of tensors"),
        ("CountingDecoder", "it counts", "pass", "not exportable, as declared: it counts"),
    ],
)
def test_a_search_that_cannot_be_exported_says_so(
    implementation: str, reason: str, outcome: str, message: str
) -> None:
    offered = replace(generation(WORDS), not_exportable=reason)
    entry = module_type(implementation, generation=offered)
    report = check_plugin(
        Offers(ModuleType(entry.id, entry.config, {}, entry.builder, "", generation=offered))
    )
    (result,) = (each for each in report.results if each.check == "export")
    assert (result.outcome, message in result.reason) == (outcome, True)


def test_the_report_is_json_too() -> None:
    data = json.loads(json.dumps(check("WrongWidth").as_dict()))
    assert data["passed"] is False
    assert data["results"][0]["outcome"] == "fail"


def test_the_fixture_fails_a_test_with_every_broken_promise(
    check_conformance: Callable[[object], ConformanceReport],
) -> None:
    assert check_conformance(Offers(module_type("Mixer"))).passed
    with pytest.raises(ComposerError, match=r"expected states\[B, N, 8\], got \[3, 4, 4\]"):
        check_conformance(Offers(module_type("WrongWidth")))
