"""Documents that are found from their ends: which, in which order, and what is said where there are none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from composer import check
from composer.plugin import Config, Method, ModuleType, Registry, hookimpl, load_registry
from composer.problems import InputError
from composer.types import Signature
from composer.views.proposing import Proposals, proposals_text, propose

PASSING = {"mplug2.strip_prompt": "text"}
"""Types that give what they take, so that a search leaves them out; the input that they pass on."""
WIDTHS = {"mplug2.width_adapter": "states"}
"""... and where the widths are equal, as in the published models."""

Shape = frozenset[object]


def shape_of(nodes, inputs, passing=PASSING) -> Shape:
    """What a task computes, without its names: each output node as a term of calls, whatever the order of joining."""

    def term(endpoint: tuple[str, str]) -> object:
        name, port = endpoint
        if name in inputs:
            return inputs[name].modality.id, port
        node = nodes[name]
        if node.module.type.id in passing:
            return term(node.sources[passing[node.module.type.id]])
        read = {wanted: term(source) for wanted, source in node.sources.items()}
        ports = frozenset(read.values() if node.module.type.id == "core.concat" else read.items())
        return node.module.type.id, node.method, ports, port

    read = {source[0] for node in nodes.values() for source in node.sources.values()}
    return frozenset(term((name, "text")) for name in nodes if name not in read)


def flow_of(task, passing=PASSING) -> Shape:
    """The shape of what answers in a checked task."""
    nodes = {name: node for name, node in task.nodes.items() if not node.training}
    return shape_of(nodes, {name: item for name, item in task.inputs.items() if not item.training}, passing)


def shapes_found(found: Proposals, passing=PASSING) -> list[Shape]:
    return [flow_of(task, passing) for p in found.found for task in p.report.tasks.values()]


ENDS = {
    "video-qa": (("video", "text"), ("text", "numbers")),
    "image-qa": (("image", "text"), ("text", "numbers")),
    "video-caption": (("video",), ("text", "numbers")),
    "image-caption": (("image",), ("text", "numbers")),
    "video-qa-rank": (("video", "text", "text"), ("labels", "scores")),
    "image-qa-rank": (("image", "text", "text"), ("labels", "scores")),
}
"""The ends of every task: what its inputs are, and the kinds of its outputs."""


def test_the_ends_are_those_of_every_task() -> None:
    for name, task in check("mplug2").tasks.items():
        given, wanted = ENDS[name]
        inputs = [item.modality.id for item in task.inputs.values() if not item.training]
        assert sorted(inputs) == sorted(given)
        assert [task.types[end].kind.replace("probabilities", "scores") for end in task.outputs.values()] == [
            *wanted
        ]


@pytest.mark.parametrize("task", [name for name in ENDS if not name.endswith("-rank")])
def test_the_published_flows_are_found_from_their_ends(task: str) -> None:
    published = flow_of(check("mplug2").tasks[task])
    given, wanted = ENDS[task]
    for goals in (wanted, wanted[:1]):
        assert published in shapes_found(propose(given, goals, using=("mplug2",), most=40))
    shapes = shapes_found(propose(given, ("text",), using=("mplug2",), most=20))
    assert len(set(shapes)) == len(shapes)


@pytest.mark.slow
@pytest.mark.parametrize("task", [name for name in ENDS if name.endswith("-rank")])
def test_so_are_those_that_rank_answers(task: str) -> None:
    passing = PASSING | WIDTHS
    published = flow_of(check("mplug2").tasks[task], passing)
    given, wanted = ENDS[task]
    assert published in shapes_found(propose(given, wanted, using=("mplug2",), most=120), passing)


def test_a_value_is_read_twice_where_a_residual_or_what_was_seen_asks_for_it() -> None:
    """The quick start reads what was seen beside the words that have looked at it, behind a residual norm."""
    task = check("quickstart").tasks["image-qa"]
    assert flow_of(task) in shapes_found(propose(("image", "text"), ("text",), using=("mplug2",), most=60))


@pytest.mark.slow
def test_a_search_tells_how_far_it_is() -> None:
    told: list[int] = []
    found = propose(("image", "text"), ("text",), told=told.append)
    assert len(told) > 2
    assert told == sorted(told)
    assert 0 <= found.looked_at - told[-1] < told[0]


def test_counted_proposals_stand_in_the_order_of_their_parameters() -> None:
    from composer.views.cost import measure

    found = propose(("video",), ("text",), using=("mplug2",), most=4, counted=True).found
    counts = [sum(m.parameters for m in measure(p.report).modules.values()) for p in found]
    assert [p.parameters for p in found] == counts == sorted(counts)
    assert len({frozenset(p.modules) for p in found}) == 4


def test_what_is_proposed_checks_by_itself_and_is_the_same_each_time() -> None:
    first, again = (propose(("image", "text"), ("text",), using=("mplug2",), most=8) for _ in range(2))
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


SHARING = {
    f"mplug2.{name}" for name in ("vision_encoder", "text_encoder", "universal_layers", "text_decoder")
}


def test_modules_that_are_shared_come_before_more_modules() -> None:
    found = propose(("video", "text"), ("text",), using=("mplug2",), most=30).found
    assert "mplug2.universal_layers" not in found[0].modules
    calls = [p.modules["mplug2.universal_layers"] for p in found if set(p.modules) == SHARING]
    assert calls[0] == 2
    assert 1 in calls


def test_two_inputs_of_one_modality_go_through_one_module() -> None:
    found = propose(("image", "image"), ("embedding", "embedding"), most=1).found[0]
    assert found.modules == {"mplug2.vision_encoder": 2}
    (task,) = found.report.tasks.values()
    assert list(task.inputs) == ["image", "image_2"]
    assert list(task.outputs) == ["embedding", "embedding_2"]


@pytest.mark.slow
def test_the_flows_that_are_looked_at_grow_with_the_inputs_and_no_faster() -> None:
    found = propose(("image", *["text"] * 6), ("text",), most=2)
    assert (len(found.found), found.looked_at) == (2, 60_000)
    tasks = [task for each in found.found for task in each.report.tasks.values()]
    assert all(len(task.inputs) == 7 for task in tasks)
    # One text after the other is joined to those before it, and all of them are read once.
    assert [node.module.type.id for node in tasks[0].nodes.values()].count("core.join_tokens") == 5


def test_pairs_of_rows_which_are_no_answers_are_not_tried() -> None:
    """With them the search ends at its bound."""
    assert propose(("image", "text", "text"), ("text",), most=2).looked_at < 20_000


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


@pytest.mark.slow
@pytest.mark.parametrize("role", ["", ":text"])
def test_two_hundred_types_that_fit_everywhere_do_not_drown_the_search(role: str) -> None:
    found: Proposals = propose(("image", "text"), ("text",), most=3, registry=_crowd(role))
    assert found.found[0].modules == {
        "mplug2.vision_encoder": 1,
        "mplug2.text_encoder": 1,
        "mplug2.text_decoder": 1,
    }
    assert found.looked_at <= 10_000


TRAINED = [
    (("image", "text"), ("text",), "tokens"),
    (("video",), ("text", "numbers"), "tokens"),
    (("image", "text"), ("embedding", "embedding"), ""),
    (("image",), ("scores",), "classes"),
]
"""Ends of flows, and the kind of the target that their loss compares with."""


@pytest.mark.parametrize(("given", "wanted", "target"), TRAINED)
def test_objectives_are_wired_by_types(given, wanted, target: str) -> None:
    """The loss reaches what answers, its target is what it compares with, and what is scored is said."""
    found = propose(given, wanted, using=("mplug2", "core"), most=4, objectives=True).found
    assert found
    for proposal in found:
        report = check(source(proposal.text("found")))
        assert report.problems == ()
        (task,) = report.tasks.values()
        assert task.loss is not None
        training = [item for item in task.inputs.values() if item.training]
        assert [{each.kind for each in item.ports.values()} for item in training] == (
            [{target}] if target else []
        )
        assert task.evaluation is not None
        assert task.evaluation.metrics
        assert set(task.evaluation.outputs) <= set(task.outputs)
        assert (task.evaluation.reference or "") == (training[0].name if training else "")
        answering = {name for name, node in task.nodes.items() if not node.training}
        assert task.wires.before([task.loss[0]]) & answering


def test_a_decoder_is_taught_with_its_own_tokenizer_and_memory() -> None:
    proposal = propose(("image", "text"), ("text",), using=("mplug2",), most=1, objectives=True).found[0]
    (task,) = proposal.report.tasks.values()
    written = next(node for node in task.nodes.values() if node.generates)
    taught = next(node for node in task.nodes.values() if node.training and node.module is written.module)
    assert taught.sources["memory"] == written.sources["memory"]
    assert taught.sources["tokens"] == ("target", "tokens")
    target: Any = task.inputs["target"].config
    decoder: Any = written.module.config
    assert target.tokenizer == decoder.tokenizer
    assert proposal.as_json()["objective"] == proposal.document.objective_lines


def test_what_no_loss_reads_has_no_objective() -> None:
    with pytest.raises(InputError, match="no loss here reads what they give; leave --objective out"):
        propose(("image",), ("states",), using=("mplug2",), objectives=True)
