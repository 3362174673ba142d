"""Random small documents of core modules: check, build, compile with `export`, and the same results come out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from composer.runtime import load
from composer.runtime.weights import save_weights
from composer.types import States


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A chain of nodes over states, each a module or a type in place that may look back, and one end of two kinds."""
    modules, nodes = [], []
    ends = [("vectors", 4)]
    for number in range(draw(st.integers(1, 4))):
        source, width = ends[-1]
        other = draw(st.sampled_from([name for name, found in ends if found == width]))
        kind = draw(st.sampled_from(["linear", "norm", "add", "concat"]))
        name = f"n{number}"
        if kind == "linear":
            width = draw(st.sampled_from([4, 6]))
            modules.append(f"  m{number}: {{uses: core.linear, with: {{output_dim: {width}}}}}")
            nodes.append(f"      {name}: {{call: m{number}, inputs: {source}.states}}")
        elif kind == "norm":
            modules.append(f"  m{number}: {{uses: core.layer_norm}}")
            nodes.append(f"      {name}: {{call: m{number}, inputs: {source}.states}}")
        elif kind == "add":
            nodes.append(
                f"      {name}: {{uses: core.add, inputs: {{first: {source}.states, second: {source}.states}}}}"
            )
        else:
            nodes.append(
                f"      {name}: {{uses: core.concat, inputs: {{first: {source}.states, second: {other}.states}}}}"
            )
        ends.append((name, width))
    end = ends[-1][0]
    output = f"{end}.states"
    if draw(st.booleans()):
        how = draw(st.sampled_from(["mean", "max"]))
        nodes.append(f"      pooled: {{uses: core.pool, inputs: {end}.states, with: {{how: {how}}}}}")
        output = "pooled.embedding"
    ranges = draw(
        st.sampled_from(['batch: "1..3"', 'batch: "2..4", vectors.length: "2..6"', 'batch: "1..1"'])
    )
    declared = "modules:\n" + "\n".join(modules) if modules else "modules: {}"
    return (
        f"composer: 1\nname: random\n{declared}\ntasks:\n  t:\n    inputs:\n"
        "      vectors: {modality: array, with: {kind: states, dims: [B, N, 4]}}\n    nodes:\n"
        + "\n".join(nodes)
        + f"\n    outputs: {{result: {output}}}\n    compile: {{ranges: {{{ranges}}}}}\n"
    )


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
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
                batch = getattr(spans["batch"], which)
                length = getattr(spans["vectors.length"], which) if which == "low" else 5
                samples = [
                    States(
                        random.standard_normal((length, 4)).astype(np.float32),
                        np.array([1] + [int(random.integers(2))] * (length - 1)),
                    )
                    for _ in range(batch)
                ]
                _same(artifact.run(vectors=samples)["result"], model.run(vectors=samples)["result"])


def _same(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, States):
        torch.testing.assert_close(ours.values, theirs.values)
        assert torch.equal(ours.mask, theirs.mask)
    else:
        torch.testing.assert_close(ours, theirs)
