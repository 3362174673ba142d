"""Random small documents of core modules: check, build, compile with `export`, and the same results come out."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from composer.execution import load
from composer.types import States
from composer.weights import save_weights


@dataclass
class _Drawn:
    """A document as it grows: every end is (`node.port`, width, length), in a form that tells equal lengths."""

    modules: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    ends: list[tuple[str, int, str]] = field(default_factory=list)
    linears: dict[str, tuple[int, int]] = field(default_factory=dict)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Nodes over two inputs: new and shared modules, branches, sums, joints, and one to three outputs of two kinds."""
    drawn = _Drawn(ends=[("vectors.states", 4, "v"), ("others.states", 4, "o")])
    for number in range(draw(st.integers(2, 6))):
        _node(draw, drawn, f"n{number}")
    ends = drawn.ends[2:]
    chosen = draw(st.lists(st.sampled_from(ends), min_size=1, max_size=3, unique=True))
    outputs = []
    for number, (source, _, _) in enumerate(chosen):
        shown = source
        if draw(st.booleans()):
            how = draw(st.sampled_from(["mean", "max"]))
            drawn.nodes.append(f"p{number}: {{uses: core.pool, inputs: {source}, with: {{how: {how}}}}}")
            shown = f"p{number}.embedding"
        outputs.append(f"r{number}: {shown}")
    ranges = draw(
        st.sampled_from(['batch: "1..3"', 'batch: "2..4", vectors.length: "2..6"', 'batch: "1..1"'])
    )
    declared = "modules:\n" + "\n".join(drawn.modules) if drawn.modules else "modules: {}"
    nodes = "\n".join(f"      {node}" for node in drawn.nodes)
    return (
        f"composer: 1\nname: random\n{declared}\ntasks:\n  t:\n    inputs:\n"
        "      vectors: {modality: array, with: {kind: states, dims: [B, N, 4]}}\n"
        "      others: {modality: array, with: {kind: states, dims: [B, M, 4]}}\n"
        f"    nodes:\n{nodes}\n    outputs: {{{', '.join(outputs)}}}\n    compile: {{ranges: {{{ranges}}}}}\n"
    )


def _node(draw: st.DrawFn, drawn: _Drawn, name: str) -> None:
    """One more node, on any end so far."""
    source, width, length = draw(st.sampled_from(drawn.ends))
    kind = draw(st.sampled_from(["linear", "shared", "norm", "add", "concat"]))
    fitting = [module for module, (taken, _) in drawn.linears.items() if taken == width]
    if kind == "shared" and fitting:
        module = draw(st.sampled_from(fitting))
        width = drawn.linears[module][1]
        drawn.nodes.append(f"{name}: {{call: {module}, inputs: {source}}}")
    elif kind in ("linear", "shared"):
        drawn.linears[f"m_{name}"] = (width, draw(st.sampled_from([4, 6])))
        width = drawn.linears[f"m_{name}"][1]
        drawn.modules.append(f"  m_{name}: {{uses: core.linear, with: {{output_dim: {width}}}}}")
        drawn.nodes.append(f"{name}: {{call: m_{name}, inputs: {source}}}")
    elif kind == "norm":
        drawn.modules.append(f"  m_{name}: {{uses: core.layer_norm}}")
        drawn.nodes.append(f"{name}: {{call: m_{name}, inputs: {source}}}")
    else:
        same = [
            end for end, wide, long in drawn.ends if wide == width and (kind == "concat" or long == length)
        ]
        other = draw(st.sampled_from(same))
        joined = next(long for end, _, long in drawn.ends if end == other)
        drawn.nodes.append(f"{name}: {{uses: core.{kind}, inputs: {{first: {source}, second: {other}}}}}")
        length = length if kind == "add" else f"{length}+{joined}"
    drawn.ends.append((f"{name}.states", width, length))


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(document=documents(), seed=st.integers(0, 9))
def test_a_compiled_document_gives_the_same_results(document: str, seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "random.yaml").write_text(document)
        model = load(folder / "random.yaml", weights="initial")
        if any(True for module in model.modules.values() for _ in module.parameters()):
            save_weights(model.modules, folder / "w.safetensors")
        weights = folder / "w.safetensors" if (folder / "w.safetensors").exists() else "initial"
        composer_compile.compile_document(folder / "random.yaml", folder / "out", weights=weights)
        with composer_compile.load(folder / "out") as artifact:
            spans = artifact.manifest.tasks["t"].ranges
            random = np.random.default_rng(seed)
            for which in ("low", "high"):
                raw = {
                    name: [
                        _sample(random, min(getattr(spans[f"{name}.length"], which), most))
                        for _ in range(getattr(spans["batch"], which))
                    ]
                    for name, most in (("vectors", 5), ("others", 7))
                    if name in artifact.manifest.tasks["t"].inputs
                }
                ours, theirs = artifact.run(**raw), model.run(**raw)
                assert ours.keys() == theirs.keys()
                for key, value in theirs.items():
                    _same(ours[key], value)


def _sample(random: np.random.Generator, length: int) -> States:
    mask = np.array([1] + [int(random.integers(2))] * (length - 1))
    return States(random.standard_normal((length, 4)).astype(np.float32), mask)


def _same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, States):
        torch.testing.assert_close(ours.values, theirs.values)
        assert torch.equal(ours.mask, theirs.mask)
    else:
        torch.testing.assert_close(ours, theirs)
