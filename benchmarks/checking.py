"""Parsing with positions beside libyaml's bare composer, and checking, of generated documents of growing size."""

from __future__ import annotations

import gc
import statistics

import yaml

from benchmarks.measuring import Row, interleaved, ratio
from composer.graph import check_resolved
from composer.language import Library, Source, resolve
from composer.language.yaml_nodes import compose
from composer.plugin import load_registry

__all__ = ["generated", "measure"]

BUDGETS = {10_000: "<= 1.5", 100_000: "<= 15"}


def generated(nodes: int) -> str:
    """A task with a chain of one-line nodes, every tenth of which joins what lies ten nodes back."""
    lines = [
        "composer: 1",
        "name: generated",
        "modules: {map: {uses: core.linear, with: {input_dim: 64, output_dim: 64}}}",
        "tasks:",
        "  chain:",
        "    inputs: {features: {modality: array, with: {kind: states, dims: [B, N, 64]}}}",
        "    nodes:",
        "      n0: {call: map, inputs: {states: features.states}}",
    ]
    for i in range(1, nodes):
        if i % 10 == 0:
            lines.append(
                f"      n{i}: {{uses: core.add, inputs: {{first: n{i - 1}.states, second: n{i - 10}.states}}}}"
            )
        else:
            lines.append(f"      n{i}: {{call: map, inputs: {{states: n{i - 1}.states}}}}")
    return "\n".join([*lines, f"    outputs: {{last: n{nodes - 1}.states}}", ""])


def measure(*, quick: bool) -> list[Row]:
    """Both parsers compose the same text in one process; neither makes values of it."""
    rows: list[Row] = []
    seconds: dict[int, float] = {}
    for nodes in (100, 1_000) if quick else (1_000, 10_000, 100_000):
        rounds = 2 if quick else 3 if nodes > 10_000 else 9
        source = Source("generated.yaml", generated(nodes))
        parsing, checking = _parsing(source, rounds), _checking(source, rounds)
        rows.append(
            Row(
                f"parse {nodes:,} nodes with positions",
                statistics.median(parsing["composer"]),
                "s CPU",
                "libyaml's composer (`CSafeLoader`)",
                statistics.median(parsing["libyaml"]),
                ratio(parsing, "composer", "libyaml"),
                "<= 1.3",
            )
        )
        seconds[nodes] = statistics.median(checking["check"])
        rows.append(
            Row(
                f"check {nodes:,} nodes after parsing", seconds[nodes], "s CPU", budget=BUDGETS.get(nodes, "")
            )
        )
    sizes = sorted(seconds)
    growth = (seconds[sizes[-1]] / sizes[-1]) / (seconds[sizes[-2]] / sizes[-2])
    rows.append(
        Row(
            f"time per node, {sizes[-1]:,} over {sizes[-2]:,} nodes",
            None,
            "",
            ratio=growth,
            budget="<= 1.5",
            note="linear is 1",
        )
    )
    rows.append(_shared(100 if quick else 1_000))
    return rows


TASKS = 30


def of_tasks(nodes: int) -> str:
    """A document of `TASKS` tasks over one piece, which has so many nodes that there are as many as in `generated`."""
    lines = generated(nodes // TASKS).splitlines()
    head, chain = lines[:3], lines[7:-1]
    inner = [line.replace("features.states", "features") for line in chain]
    uses = [
        f"  t{i}: {{inputs: {{features: {{modality: array, with: {{kind: states, dims: [B, N, 64]}}}}}}, "
        "nodes: {chain: {piece: chain, inputs: {features: features}}}, outputs: {last: chain.last}}"
        for i in range(TASKS)
    ]
    piece = ["pieces:", "  chain:", '    inputs: {features: "states[B, N, 64]"}', "    nodes:", *inner]
    return "\n".join([*head, *piece, f"    outputs: {{last: n{len(chain) - 1}.states}}", "tasks:", *uses, ""])


def _shared(nodes: int) -> Row:
    """Checking many tasks over a piece beside one task of as many nodes, both from text."""
    registry, library = load_registry(), Library()
    used = Source("pieces.yaml", of_tasks(nodes))
    written = Source("generated.yaml", generated(TASKS * (nodes // TASKS)))
    for source in (used, written):
        assert check_resolved(resolve(source, library), registry).ok
    seconds = interleaved(
        {
            "pieces": lambda: check_resolved(resolve(used, library), registry),
            "written out": lambda: check_resolved(resolve(written, library), registry),
        },
        rounds=9,
    )
    return Row(
        f"check {TASKS} tasks over a piece, {nodes:,} nodes together",
        statistics.median(seconds["pieces"]),
        "s CPU",
        "one task of as many nodes, written out",
        statistics.median(seconds["written out"]),
        ratio(seconds, "pieces", "written out"),
        "<= 1.5",
    )


def _parsing(source: Source, rounds: int) -> dict[str, list[float]]:
    runs = {
        "composer": lambda: compose(source),
        "libyaml": lambda: yaml.CSafeLoader(source.text).get_single_node(),
    }
    return interleaved(runs, rounds)


def _checking(source: Source, rounds: int) -> dict[str, list[float]]:
    """Resolving without parsing is what is left of `resolve` when `compose` is taken off."""
    registry = load_registry()
    resolved = resolve(source, Library())
    assert check_resolved(resolved, registry).ok
    times = interleaved(
        {
            "compose": lambda: compose(source),
            "resolve": lambda: resolve(source, Library()),
            "check": lambda: check_resolved(resolved, registry),
        },
        rounds,
    )
    gc.collect()
    parts = zip(times["check"], times["resolve"], times["compose"], strict=True)
    return {"check": [checked + max(whole - parsed, 0.0) for checked, whole, parsed in parts]}
