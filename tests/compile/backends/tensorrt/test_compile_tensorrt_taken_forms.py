"""Calls in the forms that converters take give the same numbers, and others stay as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from composer_compile.backends.tensorrt.graph_preparing import prepare_graph
from composer_compile.backends.tensorrt.taken_forms import TAKEN_FORMS
from fallbacks import fallbacks_of
from torch import Tensor, fx, nn

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
    "places along a mask": (aten.cumsum.default, (HIDDEN[0, 0], 1)),
    "places along numbers": (aten.cumsum.default, (HIDDEN[0, 0].to(torch.int64), -1)),
}
OTHERS = {
    "places": (aten.index_put.default, (MAP, [torch.tensor([1])], torch.tensor(7.0))),
    "a value for each": (aten.index_put.default, (MAP, [HIDDEN], torch.arange(float(HIDDEN.sum())))),
    "a sum": (aten.index_put.default, (MAP, [HIDDEN], torch.tensor(7.0), True)),
    "a pool that is cut": (aten.avg_pool2d.default, (MAP, [2, 4], [2, 4], [0, 0], True, False)),
    "a pool that rounds down": (aten.avg_pool2d.default, (MAP, [2, 2])),
    "other places": (aten.as_strided.default, (MAP, [2, 3, 6, 8], [144, 48, 1, 6])),
    "a norm that trains": (aten.native_batch_norm.default, (MAP, *NORM, True, 0.1, 1e-5)),
    "a running sum of fractions": (aten.cumsum.default, (MAP, 1)),
    "rows of a known number": (aten.repeat.default, (MAP, [2, 1, 1, 1])),
    "parts of known lengths": (aten.split_with_sizes.default, (MAP, [3, 5], 2)),
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


class Rows(nn.Module):
    """One row for every sample, as SigLIP pools; and two of each, which a view alone does not say."""

    def forward(self, values: Tensor) -> tuple[Tensor, ...]:
        row = torch.arange(3.0).reshape(1, 3)
        return row.repeat(values.shape[0], 1), row[0].repeat(values.shape[0], 2)


class Parts(nn.Module):
    """Parts of free lengths, as a step of a decoder takes a prompt and what came since."""

    def forward(self, values: Tensor) -> tuple[Tensor, ...]:
        joined = torch.cat((values, values[:1]))
        return joined.split((values.shape[0], 1), 0)


class Sizes(nn.Module):
    """Rows that are no copies of one: such a call is left as it is."""

    def forward(self, values: Tensor) -> tuple[Tensor, ...]:
        return (torch.arange(2.0).repeat(values.shape[0]),)


@pytest.mark.parametrize(
    ("module", "call", "left"),
    [
        (Rows(), aten.repeat.default, 1),
        (Parts(), aten.split_with_sizes.default, 0),
        (Sizes(), aten.repeat.default, 1),
    ],
    ids=["rows", "parts", "sizes"],
)
def test_a_call_over_free_sizes_has_a_form(module: nn.Module, call: Any, left: int) -> None:
    free = ({0: torch.export.Dim("rows", max=9)},)
    program = torch.export.export(module, (torch.ones(4, 2),), dynamic_shapes=free)
    program = program.run_decompositions({call: TAKEN_FORMS[call]})
    nodes = [node for node in program.graph.nodes if node.target is call]
    free_sizes = [node for node in nodes if any(isinstance(each, fx.Node) for each in node.args[1])]
    assert (len(nodes), len(free_sizes)) == (left, int(isinstance(module, Sizes)))
    for rows in (2, 7):
        given = torch.rand(rows, 2)
        for found, expected in zip(program.module()(given), module(given), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=0)


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


ENDS = {"bos_token_id": 101, "eos_token_id": 102}
SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48}
WHOLE = {
    "composer": 1,
    "modules": {
        "pair": {
            "uses": "transformers.dual_encoder",
            "with": {
                "family": "siglip",
                "config": {
                    "text_config": {
                        **SMALL,
                        "vocab_size": 30_522,
                        "max_position_embeddings": 16,
                        "projection_size": 32,
                    },
                    "vision_config": {**SMALL, "image_size": 16, "patch_size": 8},
                },
            },
        },
        "lm": {
            "uses": "transformers.causal_lm",
            "with": {
                "family": "gpt2",
                "pad": 0,
                "config": {
                    "vocab_size": 30_522,
                    "n_positions": 48,
                    "n_embd": 32,
                    "n_layer": 1,
                    "n_head": 4,
                    **ENDS,
                },
            },
        },
    },
    "tasks": {
        "match": {
            "inputs": {
                "picture": {"modality": "image", "for": "pair"},
                "labels": {"modality": "text", "with": {"tokenizer": "bert-uncased", "max_tokens": 16}},
            },
            "nodes": {"scores": {"call": "pair", "inputs": {"pixels": "picture", "tokens": "labels"}}},
            "outputs": {"scores": "scores"},
        },
        "continue": {
            "inputs": {"text": {"modality": "text", "with": {"tokenizer": "bert-uncased", "max_tokens": 16}}},
            "nodes": {
                "words": {"call": "lm.embed", "inputs": {"tokens": "text"}},
                "reply": {"generate": "lm", "inputs": {"prompt": "words"}, "with": {"max_tokens": 4}},
            },
            "outputs": {"ids": "reply.ids"},
        },
    },
}


@pytest.mark.slow
@pytest.mark.tensorrt
@pytest.mark.skipif(find_spec("torch_tensorrt") is None, reason="Torch-TensorRT is not installed")
def test_engines_of_a_pair_of_encoders_and_of_a_language_model_are_whole(tmp_path: Path) -> None:
    """A plan asks which operations have a converter; what it then makes of them shows when engines are built."""
    path = tmp_path / "whole.yaml"
    path.write_text(json.dumps(WHOLE))
    options = ["--backend", "tensorrt", "--precision", "fp16", "--target", "rtx4090", "--require-full"]
    given = ["compile", str(path), "--weights", "initial", *options, "--out", str(tmp_path / "artifact")]
    code = f"import sys; from composer.cli import main; sys.exit(main({given!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
