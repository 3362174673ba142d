"""Every recorded case of a published system, run as its users run it: `composer compare CASE`."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.compare import compare_case, load_case

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "golden"
CASES = sorted(path for path in HERE.glob("*/*.yaml") if "runs:" in path.read_text(encoding="utf-8"))


def data_of(case: Path) -> Path:
    """The data beside the case, or the folder of recordings next to the checkout."""
    own = case.parent / load_case(case).data
    return own if own.is_dir() else SHARED / case.parent.name / load_case(case).data


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_model_agrees_with_the_recording(case):
    data = data_of(case)
    if not data.is_dir():
        pytest.skip(f"the recording {case.stem} is not in this checkout")
    comparison = compare_case(case, data)
    assert comparison.ok, f"\n{comparison}"
    assert sum(row.verdict == "ok" for row in comparison.rows) >= 2


def test_a_wrong_weight_is_found_and_its_node_is_named(tmp_path):
    """The comparison itself can fail: one changed tensor of the fusion shows there, and not before."""
    from safetensors.torch import load_file, save_file

    case = HERE / "mplug2" / "videoqa.yaml"
    source = data_of(case)
    if not source.is_dir():
        pytest.skip("the recording videoqa is not in this checkout")
    for name in ("config.json", "inputs.safetensors", "outputs.safetensors", "vocab.txt"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    weights = load_file(source / "weights.safetensors")
    key = next(k for k in weights if "fusion_encoder" in k and "layer.2.output.dense.weight" in k)
    weights[key] = weights[key].flip(0)
    save_file(weights, tmp_path / "weights.safetensors")
    comparison = compare_case(case, tmp_path)
    assert not comparison.ok
    assert comparison.first["beam"] == "memory/fused"
    assert "MISS" in str(comparison)
