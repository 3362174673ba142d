"""Calls in the forms that converters take give the same numbers, and others stay as they are."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from composer_compile.backends.tensorrt.graph_preparing import prepare_graph
from composer_compile.backends.tensorrt.taken_forms import TAKEN_FORMS
from fallbacks import fallbacks_of
from torch import Tensor, nn

aten = torch.ops.aten
MAP = torch.randn(2, 3, 8, 6, generator=torch.Generator().manual_seed(0))
HIDDEN = MAP > 0.5
MEAN = MAP.mean((2, 3), keepdim=True)
NORM = (torch.rand(3), torch.rand(3), torch.rand(3), torch.rand(3) + 1)

SAME = {
    "a mask": (aten.index_put.default, (MAP, [HIDDEN], torch.tensor(7.0))),
    "a mask of rows": (aten.index_put.default, (MAP, [HIDDEN[..., 0]], torch.tensor(0))),
    "a pool that rounds up": (aten.avg_pool2d.default, (MAP, [2, 2], [2, 2], [0, 0], True, False)),
    "a pool with an edge": (aten.avg_pool2d.default, (MAP, [3], [1], [1], True, False)),
    "a mean over the map": (aten.as_strided.default, (MEAN, [2, 3, 1, 1], [3, 1, 3, 3])),
    "a norm that answers": (aten.native_batch_norm.default, (MAP, *NORM, False, 0.1, 1e-5)),
}
OTHERS = {
    "places": (aten.index_put.default, (MAP, [torch.tensor([1])], torch.tensor(7.0))),
    "a value for each": (aten.index_put.default, (MAP, [HIDDEN], torch.arange(float(HIDDEN.sum())))),
    "a sum": (aten.index_put.default, (MAP, [HIDDEN], torch.tensor(7.0), True)),
    "a pool that is cut": (aten.avg_pool2d.default, (MAP, [2, 4], [2, 4], [0, 0], True, False)),
    "a pool that rounds down": (aten.avg_pool2d.default, (MAP, [2, 2])),
    "other places": (aten.as_strided.default, (MAP, [2, 3, 6, 8], [144, 48, 1, 6])),
    "a norm that trains": (aten.native_batch_norm.default, (MAP, *NORM, True, 0.1, 1e-5)),
}


@pytest.mark.parametrize(("call", "given"), SAME.values(), ids=SAME)
def test_a_form_gives_the_same_numbers(call: Any, given: tuple[Any, ...]) -> None:
    found, expected = TAKEN_FORMS[call](*given), call(*given)
    if isinstance(expected, tuple):
        found, expected = found[0], expected[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize(("call", "given"), OTHERS.values(), ids=OTHERS)
def test_what_has_no_such_form_is_left(call: Any, given: tuple[Any, ...]) -> None:
    assert TAKEN_FORMS[call](*given) is NotImplemented


class Turned(nn.Module):
    """A copy that a view needs, and a result that is a copy."""

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        turned = values.transpose(0, 1)
        return turned.contiguous().view(-1, 2), turned, turned.contiguous()


def test_a_copy_stays_where_a_view_needs_its_memory() -> None:
    """As the last attention of SigLIP's vision tower has it."""
    given = torch.randn(4, 6)
    program = torch.export.export(Turned(), (given,))
    prepare_graph(program)
    found = program.graph_module(given)
    for ours, theirs in zip(found, Turned()(given), strict=True):
        assert torch.equal(ours, theirs)


PARTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "resnet": ("timm.backbone", {"model": "test_resnet"}, {"modality": "image", "for": "part"}),
    "convnext": ("timm.backbone", {"model": "test_convnext2"}, {"modality": "image", "for": "part"}),
    "wav2vec2": (
        "transformers.audio_encoder",
        {
            "family": "wav2vec2",
            "config": {
                "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48,
                "conv_dim": [8, 8], "conv_kernel": [10, 4], "conv_stride": [5, 4],
                "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
            },
        },
        {"modality": "audio", "for": "part"},
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.tensorrt
@pytest.mark.skipif(find_spec("torch_tensorrt") is None, reason="Torch-TensorRT is not installed")
def test_nothing_of_a_backbone_or_a_wave_encoder_falls_back(tmp_path: Path) -> None:
    calls = {"resnet": ("tokens", "pooled", "pyramid"), "convnext": ("tokens", "pooled"), "wav2vec2": ("",)}
    for name, (uses, config, given) in PARTS.items():
        tasks = {
            f"call-{method or 'it'}": {
                "inputs": {"raw": given},
                "nodes": {"found": {"call": f"part.{method}".rstrip("."), "inputs": "raw"}},
                "outputs": {"found": "found.level2" if method == "pyramid" else "found"},
            }
            for method in calls[name]
        }
        document = {"composer": 1, "modules": {"part": {"uses": uses, "with": config}}, "tasks": tasks}
        (tmp_path / f"{name}.yaml").write_text(json.dumps(document))
    assert fallbacks_of(*(tmp_path / f"{name}.yaml" for name in PARTS)) == []
