"""The profile part of the GPU script: what lies between kernels is counted once, and every kernel is in one group."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.by_hand import TINY
from benchmarks.gpu import job
from benchmarks.gpu.plan import SECTIONS, section_module
from benchmarks.gpu.profiling import Kernel, page, profiled, summary


def test_time_between_kernels_is_what_no_kernel_covers() -> None:
    found = summary(
        [
            Kernel("sm90_xmma_gemm_bf16", 1000, 3000),
            Kernel("void at::native::vectorized_layer_norm_kernel", 5000, 6000),
            Kernel("sm90_xmma_gemm_bf16", 2000, 4000),  # side by side with the first
            Kernel("pytorch_flash::flash_fwd_kernel", 6000, 7500),
            Kernel("void at::native::elementwise_kernel", 9500, 11000),
        ]
    )
    assert (found["span_ms"], found["kernels"]) == (10.0, 5)
    assert (found["gaps"], found["gaps_ms"], found["gaps_share"]) == (2, 3.0, 0.3)
    assert {name: (each["count"], each["ms"]) for name, each in found["groups"].items()} == {
        "products": (2, 4.0),
        "attention": (1, 1.5),
        "element by element": (1, 1.5),
        "norms": (1, 1.0),
    }
    assert [each["count"] for each in found["names"]] == [2, 1, 1, 1]


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("cudnn::fprop_implicit_gemm_bf16", "convolutions"),
        ("nchwToNhwcKernel", "copies"),
        ("Memcpy DtoD (Device -> Device)", "copies"),
        ("fmha_cutlassF_bf16_aligned", "attention"),
        ("void cutlass::Kernel2", "products"),
        ("indexSelectLargeIndex", "lookups"),
        ("aten::unflatten", "views"),
        ("triton_poi_fused_add_mul_3", "element by element"),
    ],
)
def test_a_kernel_is_named_for_what_it_does(name: str, group: str) -> None:
    assert list(summary([Kernel(name, 0, 1)])["groups"]) == [group]


def test_nothing_that_ran_is_a_summary_too() -> None:
    assert page([{"stage": "encode", "batch": 1, **summary([])}]).count("| encode |") == 1


def test_operators_of_a_processor_are_counted_once() -> None:
    module = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)).eval()
    with torch.inference_mode():
        found = profiled(lambda: module(torch.ones(2, 8)), torch.device("cpu"))
    groups = {name: each["count"] for name, each in found["groups"].items()}
    assert (groups["products"], groups["norms"]) == (1, 1)
    assert found["kernels"] == sum(groups.values())
    assert found["span_ms"] > 0


@pytest.mark.slow
def test_the_part_profiles_both_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {
        "document": "mplug2",
        "settings": dict(TINY),
        "device": "cpu",
        "precisions": ["fp32"],
        "batches": [1],
        "tiny": True,
        "rounds": 1,
        "folder": str(tmp_path),
    }
    assert job.main([json.dumps({**given, "kind": "setup"})]) == 0
    (setup,) = map(json.loads, capsys.readouterr().out.splitlines())
    own = {key: setup[key] for key in ("length", "image_size", "sure")}
    more = {"kind": "section", "part": "profile", "precision": "fp32"}
    assert job.main([json.dumps({**given, **own, **more})]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [row["stage"] for row in rows] == ["encode", "decode step"]
    for row in rows:
        assert {"products", "attention", "norms"} <= row["groups"].keys()
    text = section_module("profile").page(rows)
    assert SECTIONS["profile"] == "benchmarks.gpu.profiling"
    assert "| encode | 1 |" in text
    assert "| decode step | 1 |" in text
