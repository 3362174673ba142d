"""Weights that other programs wrote: GGUF of llama.cpp and ONNX of torch, read under the names of modules."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from composer.weights import WeightsError, read_checkpoint

gguf = pytest.importorskip("gguf", reason="the package gguf (extra `formats`) is not installed")
onnx = pytest.importorskip("onnx", reason="the package onnx (extra `formats`) is not installed")

HEADS, KEY_HEADS, HEAD, WIDTH = 4, 2, 6, 32


def _draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _as_llama_cpp(rows: np.ndarray, heads: int) -> np.ndarray:
    """The rows of queries or keys in the order that llama.cpp's converter gives them."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, rows.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows.shape))


def _write_gguf(path: Path, family: str = "llama", heads: Any = HEADS) -> dict[str, np.ndarray]:
    """A file with one block; the tensors as a module has them."""
    tensors = {
        "token_embd.weight": _draw(8, WIDTH, seed=1),
        "blk.0.attn_q.weight": _draw(HEADS * HEAD, WIDTH, seed=2),
        "blk.0.attn_k.weight": _draw(KEY_HEADS * HEAD, WIDTH, seed=3),
        "blk.0.attn_v.weight": _draw(KEY_HEADS * HEAD, WIDTH, seed=4),
        "blk.0.ffn_up.weight": _draw(12, WIDTH, seed=5).astype(np.float16),
    }
    writer = gguf.GGUFWriter(path, family)
    if isinstance(heads, int):
        writer.add_head_count(heads)
    else:
        writer.add_string(f"{family}.attention.head_count", str(heads))
    writer.add_head_count_kv(KEY_HEADS)
    ordered = family == "llama"
    for name, tensor in tensors.items():
        kind = name.split(".")[-2]
        count = {"attn_q": HEADS, "attn_k": KEY_HEADS}.get(kind, 0)
        written = _as_llama_cpp(tensor, count) if ordered and count else tensor
        if kind == "attn_v":
            blocks = gguf.quants.quantize(written, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, blocks, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(name, written)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_a_gguf_file_gives_the_tensors_that_modules_have(tmp_path: Path, family: str) -> None:
    expected = _write_gguf(tmp_path / "model.gguf", family)
    found = read_checkpoint(tmp_path / "model.gguf")
    assert found.format == "gguf"
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        rounding = 0.02 if "attn_v" in name else 0.0  # eight bits a number
        torch.testing.assert_close(found[name], torch.from_numpy(tensor), atol=rounding, rtol=0)


def test_a_folder_with_one_gguf_file_is_that_checkpoint(tmp_path: Path) -> None:
    _write_gguf(tmp_path / "model.gguf")
    (tmp_path / "README.md").write_text("a model")
    assert len(read_checkpoint(tmp_path)) == 5


@pytest.mark.parametrize(
    ("family", "heads", "says"),
    [
        ("gemma2", HEADS, "its architecture is `gemma2`"),
        ("llama", "four", "`llama.attention.head_count` is not a number of heads"),
        ("llama", 0, "`llama.attention.head_count` is not a number of heads"),
    ],
)
def test_a_gguf_file_that_cannot_be_read_right_is_refused(
    tmp_path: Path, family: str, heads: Any, says: str
) -> None:
    _write_gguf(tmp_path / "model.gguf", family, heads)
    with pytest.raises(WeightsError, match=says):
        read_checkpoint(tmp_path / "model.gguf")


def test_heads_that_do_not_divide_the_rows_are_a_damaged_tensor(tmp_path: Path) -> None:
    _write_gguf(tmp_path / "model.gguf", heads=5)
    checkpoint = read_checkpoint(tmp_path / "model.gguf")
    with pytest.raises(WeightsError, match="truncated or damaged"):
        checkpoint["blk.0.attn_q.weight"]


@pytest.mark.parametrize("offset", [8, 16], ids=["tensors", "fields"])
def test_counts_that_lie_are_one_sentence(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "model.gguf"
    _write_gguf(path)
    content = bytearray(path.read_bytes())
    content[offset : offset + 8] = struct.pack("<Q", 2**60)
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="the GGUF file is truncated or damaged"):
        read_checkpoint(path)


@pytest.mark.parametrize("kept", [4, 30, 200, 600])
def test_a_truncated_gguf_file_is_one_sentence(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "model.gguf"
    _write_gguf(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match="truncated or damaged"):
        dict(read_checkpoint(path))


def _save_onnx(path: Path, *, outside: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A linear map whose weight the exporter transposed and numbered, and a norm's scale in a Constant node."""
    weight, scale = _draw(3, 5), _draw(3, seed=1)
    helper, numbers = onnx.helper, onnx.numpy_helper
    numbered = numbers.from_array(np.ascontiguousarray(weight.T), "onnx::MatMul_12")
    if outside:
        numbered.data_location = onnx.TensorProto.EXTERNAL
        numbered.ClearField("raw_data")
        numbered.external_data.add(key="location", value="../secret")
    nodes = [
        helper.make_node(
            "Constant",
            [],
            ["body.norm.weight"],
            value=numbers.from_array(scale, "value"),
            name="/body/Constant",
        ),
        helper.make_node("Constant", [], ["axis"], value=numbers.from_array(np.array([1])), name="/axis"),
        helper.make_node("MatMul", ["x", "onnx::MatMul_12"], ["y"], name="/body/layers.0/up/MatMul"),
        helper.make_node("Add", ["body.layers.0.up.bias", "y"], ["z"], name="/body/layers.0/up/Add"),
        helper.make_node("Mul", ["z", "body.norm.weight"], ["out"], name="/body/norm/Mul"),
    ]
    floats = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "main",
        [helper.make_tensor_value_info("x", floats, [1, 5])],
        [helper.make_tensor_value_info("out", floats, [1, 3])],
        [numbered, numbers.from_array(_draw(3, seed=2), "body.layers.0.up.bias")],
    )
    onnx.save(helper.make_model(graph), path)
    return weight, scale


def test_an_onnx_file_gives_weights_under_the_names_of_their_modules(tmp_path: Path) -> None:
    weight, scale = _save_onnx(tmp_path / "model.onnx")
    found = read_checkpoint(tmp_path / "model.onnx", prefix="body")
    assert set(found) == {"layers.0.up.weight", "layers.0.up.bias", "norm.weight"}
    torch.testing.assert_close(found["layers.0.up.weight"], torch.from_numpy(weight), atol=0, rtol=0)
    torch.testing.assert_close(found["norm.weight"], torch.from_numpy(scale), atol=0, rtol=0)


def test_an_onnx_file_with_weights_elsewhere_is_refused(tmp_path: Path) -> None:
    _save_onnx(tmp_path / "model.onnx", outside=True)
    with pytest.raises(WeightsError, match="its weights lie in other files"):
        read_checkpoint(tmp_path / "model.onnx")


def test_a_damaged_onnx_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    _save_onnx(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(WeightsError, match="the ONNX file is truncated or damaged"):
        read_checkpoint(path)


@pytest.mark.parametrize("name", ["gguf", "onnx"])
def test_a_library_that_is_not_installed_is_named_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / f"model.{name}"
    _write_gguf(path) if name == "gguf" else _save_onnx(path)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(WeightsError, match=rf"`{name}`, which reads it, is not installed.*\[formats\]"):
        read_checkpoint(path)
