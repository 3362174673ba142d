"""Documents that are found from their ends: which, in which order, and what is said where there are none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from composer import check
from composer.plugin import Config, Method, ModuleType, Registry, hookimpl, load_registry
from composer.problems import InputError
from composer.types import Signature
from composer.views.proposing import Proposals, proposals_text, propose

PASSING = {"mplug2.width_adapter": "states", "mplug2.residual_norm": "update", "mplug2.strip_prompt": "text"}
"""Types that give what they take, so that a search leaves them out; the input that they pass on."""

Shape = frozenset[object]


def shape_of(nodes, inputs) -> Shape:
    """What a task computes, without its names: each output node as a term of calls, whatever the order of joining."""

    def term(endpoint: tuple[str, str]) -> object:
        name, port = endpoint
        if name in inputs:
            return inputs[name].modality.id, port
        node = nodes[name]
        if node.module.type.id in PASSING:
            return term(node.sources[PASSING[node.module.type.id]])
        read = {wanted: term(source) for wanted, source in node.sources.items()}
        ports = frozenset(read.values() if node.module.type.id == "core.concat" else read.items())
        return node.module.type.id, node.method, ports, port

    read = {source[0] for node in nodes.values() for source in node.sources.values()}
    return frozenset(term((name, "text")) for name in nodes if name not in read)


@pytest.mark.parametrize("document", ["mplug2", "mplug2-base"])
@pytest.mark.parametrize(
    ("task", "given"),
    [
        ("video-qa", ("video", "text")),
        ("image-qa", ("image", "text")),
        ("video-caption", ("video",)),
        ("image-caption", ("image",)),
    ],
)
def test_the_published_flows_are_found_from_their_ends(
    document: str, task: str, given: tuple[str, ...]
) -> None:
    published = check(document).tasks[task]
    answering = {name: node for name, node in published.nodes.items() if not node.training}
    inputs = {name: item for name, item in published.inputs.items() if name not in {"reference"}}
    found = propose(given, ("text",), most=20)
    shapes = [shape_of(each.nodes, each.inputs) for p in found.found for each in p.report.tasks.values()]
    assert shape_of(answering, inputs) in shapes
    assert len(set(shapes)) == len(shapes)


def test_what_is_proposed_checks_by_itself_and_is_the_same_each_time() -> None:
    first, again = (propose(("image", "text"), ("text",), most=8) for _ in range(2))
    assert proposals_text(first) == proposals_text(again)
    assert len(first.found) == 8
    for proposal in first.found:
        report = check(source(proposal.text("found")))
        assert report.problems == ()
        (task,) = report.tasks.values()
        assert {item.modality.id for item in task.inputs.values()} == {"image", "text"}


def source(text: str):
    from composer.language import Source

    return Source("found.yaml", text)


def test_modules_that_are_shared_come_before_more_modules() -> None:
    found = propose(("video", "text"), ("text",), most=12).found
    assert "mplug2.universal_layers" not in found[0].modules
    shared = next(i for i, p in enumerate(found) if p.modules.get("mplug2.universal_layers") == 2)
    alone = next(i for i, p in enumerate(found) if p.modules.get("mplug2.universal_layers") == 1)
    assert shared < alone


def test_two_inputs_of_one_modality_go_through_one_module() -> None:
    found = propose(("image", "image"), ("embedding", "embedding"), most=1).found[0]
    assert found.modules == {"mplug2.vision_encoder": 2}
    (task,) = found.report.tasks.values()
    assert list(task.inputs) == ["image", "image_2"]
    assert list(task.outputs) == ["embedding", "embedding_2"]


def test_retrieval_is_found() -> None:
    texts = [p.text("x") for p in propose(("image", "text"), ("scores",), most=5).found]
    assert any("core.similarity" in text and "core.pool" in text for text in texts)
    assert any("text_decoder.rank" in text for text in texts)


def test_a_type_that_is_named_is_used_and_a_plugin_limits_the_choice() -> None:
    found = propose(("image",), ("text",), using=("mplug2", "mplug2.width_adapter")).found
    assert all("mplug2.width_adapter" in p.modules for p in found)
    found = propose(("image",), ("classes",), using=("mplug2", "core"), most=3).found
    assert any("core.linear" in p.modules for p in found)


@pytest.mark.parametrize(
    ("given", "wanted", "using", "message"),
    [
        (("imag",), ("text",), (), "there is no modality `imag`; did you mean `image`?"),
        (("image",), ("scors",), (), "there is no kind `scors`; did you mean `scores`?"),
        (
            ("image",),
            ("text",),
            ("mplug",),
            "there is no plugin or module type `mplug`; did you mean `mplug2`?",
        ),
        (("text",), ("pixels",), (), "reached: tokens. Missing: pixels; no module type here gives it"),
        (("image", "video"), ("text",), ("core",), "reached: pixels. Missing: text; "),
    ],
)
def test_what_cannot_be_found(given, wanted, using, message: str) -> None:
    with pytest.raises(InputError) as error:
        propose(given, wanted, using=using)
    assert message in str(error.value)


class Wide(Config):
    """`with` of the many types."""

    width: int = 8
    """Width of the states."""


def _crowd(role: str) -> Registry:
    """The first-party types, and 200 more that all take and give states."""

    def through(config: Wide) -> Signature:
        port = f"states{role}[B, N, {config.width}]"
        return Signature({"states": port}, {"states": port})

    def joined(config: Wide) -> Signature:
        port = f"states{role}[B, N, {config.width}]"
        return Signature({"first": port, "second": port}, {"states": port})

    types = [
        ModuleType(
            f"many.m{i}",
            Wide,
            {"forward": Method(joined if i % 4 == 0 else through)},
            "many:Many",
            "One of many.",
        )
        for i in range(200)
    ]
    return load_registry(
        [("many", SimpleNamespace(composer_register=hookimpl(lambda register: register(*types))))]
    )


@pytest.mark.parametrize("role", ["", ":text"])
def test_two_hundred_types_that_fit_everywhere_do_not_drown_the_search(role: str) -> None:
    found: Proposals = propose(("image", "text"), ("text",), most=3, registry=_crowd(role))
    assert found.found[0].modules == {
        "mplug2.vision_encoder": 1,
        "mplug2.text_encoder": 1,
        "mplug2.text_decoder": 1,
    }
    assert found.looked_at <= 10_000
