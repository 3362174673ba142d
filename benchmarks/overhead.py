"""What running a graph adds per node that does nothing: Program, Haystack and Hamilton beside a loop by hand."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import statistics
from collections.abc import Callable
from typing import Any

import torch

from benchmarks import trivial
from benchmarks.measuring import Row, interleaved
from composer.execution import build_module, build_program
from composer.graph import check
from composer.language import Source
from composer.plan import plan_task

__all__ = ["measure"]


def measure(*, quick: bool) -> list[Row]:
    """Overhead per node is the difference to the loop, over the number of nodes."""
    nodes, repeats, rounds = (20, 20, 2) if quick else (200, 100, 15)
    program, loop = _program(nodes)
    runs: dict[str, tuple[Callable[[], Any], int]] = {"loop": (loop, repeats), "Program": (program, repeats)}
    absent = []
    for name, make in (("Haystack", _haystack), ("Hamilton", _hamilton)):
        run = make(nodes)
        if run is None:
            absent.append(name)
        else:
            runs[name] = (run, max(repeats // 50, 1))
    for run, _ in runs.values():
        run()
    with torch.inference_mode():
        times = interleaved(
            {n: functools.partial(_repeated, run, count) for n, (run, count) in runs.items()}, rounds
        )
    each = {n: [t / runs[n][1] / nodes * 1e6 for t in times[n]] for n in runs}
    base = statistics.median(each["loop"])
    rows = [Row(f"a node in a loop by hand ({nodes} nodes)", base, "µs")]
    for name in ("Program", "Haystack", "Hamilton"):
        if name in absent:
            rows.append(
                Row(f"overhead per node, {name}", None, "µs", note="not installed: pip install '.[bench]'")
            )
            continue
        added = statistics.median(a - b for a, b in zip(each[name], each["loop"], strict=True))
        rows.append(
            Row(
                f"overhead per node, {name}",
                added,
                "µs",
                "the loop",
                base,
                budget="<= 1" if name == "Program" else "",
            )
        )
    return rows


def _program(nodes: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
    lines = [f"      n{i}: {{call: m{i}, inputs: {f'n{i - 1}' if i else 'x'}}}" for i in range(nodes)]
    modules = ", ".join(f"m{i}: {{uses: trivial.pass}}" for i in range(nodes))
    text = (
        f"composer: 1\nmodules: {{{modules}}}\ntasks:\n  t:\n"
        "    inputs: {x: {modality: array, with: {kind: embedding, dims: [B, 4]}}}\n    nodes:\n"
        + "\n".join(lines)
        + f"\n    outputs: {{o: n{nodes - 1}}}\n"
    )
    report = check(Source("chain.yaml", text), registry=trivial.registry())
    report.raise_for_errors()
    parts = {name: build_module(m.type, m.config).eval() for name, m in report.modules.items()}
    program = build_program(plan_task(report.tasks["t"]), parts).eval()
    value = torch.zeros(1, 4)
    slots = program.load_inputs({"x": {"embedding": value}})
    order = [parts[f"m{i}"] for i in range(nodes)]

    def loop() -> Any:
        x = value
        for part in order:
            x = part(value=x)
        return x

    return lambda: program.run_stage("encode", slots), loop


def _haystack(nodes: int) -> Callable[[], Any] | None:
    os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")
    try:
        haystack = importlib.import_module("haystack")
    except ImportError:
        return None

    @haystack.component
    class Pass:
        @haystack.component.output_types(value=int)
        def run(self, value: int) -> dict[str, int]:
            return {"value": value}

    logging.getLogger("haystack").setLevel(logging.ERROR)
    pipeline = haystack.Pipeline(max_runs_per_component=2)
    for i in range(nodes):
        pipeline.add_component(f"n{i}", Pass())
        if i:
            pipeline.connect(f"n{i - 1}.value", f"n{i}.value")
    return lambda: pipeline.run({"n0": {"value": 1}})


def _repeated(run: Callable[[], Any], count: int) -> None:
    for _ in range(count):
        run()


def _hamilton(nodes: int) -> Callable[[], Any] | None:
    os.environ.setdefault("HAMILTON_TELEMETRY_ENABLED", "false")
    try:
        driver = importlib.import_module("hamilton.driver")
        ad_hoc = importlib.import_module("hamilton.ad_hoc_utils")
        base = importlib.import_module("hamilton.base")
    except ImportError:
        return None
    namespace: dict[str, Any] = {}
    source = "\n".join(
        f"def n{i}({f'n{i - 1}' if i else 'value'}: int) -> int:\n    return {f'n{i - 1}' if i else 'value'}\n"
        for i in range(nodes)
    )
    exec(source, namespace)  # the functions of a Hamilton graph, written out
    functions = [namespace[f"n{i}"] for i in range(nodes)]
    module = ad_hoc.create_temporary_module(*functions, module_name="trivial_chain")
    built = driver.Builder().with_modules(module).with_adapter(base.DictResult()).build()
    return lambda: built.execute([f"n{nodes - 1}"], inputs={"value": 1})
