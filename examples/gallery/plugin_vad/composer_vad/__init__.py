"""Plugin entry module: a module type that hears where somebody speaks, and the layout of its published weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from composer.plugin import Layout, Method, ModuleType, NoConfig, Register, Rule, hookimpl
from composer.types import Signature

__all__ = ["composer_register"]

RATE, CHUNK = 16_000, 512
"""Samples per second, and samples of one chunk: 32 ms."""


def _hear(config: NoConfig) -> Signature:
    return Signature(
        {"waveform": "transformers.waveform[B, T]"},
        {"speech": f"states:speech[B, (T + {CHUNK - 1}) // {CHUNK}, 1]", "share": "numbers[B]"},
        {"T": (1, 3_600 * RATE)},
    )


def _rules(parameters: Mapping[str, Any]) -> tuple[Rule, ...]:
    return (Rule(r"lstm_cell\.(.*)", r"lstm.\1_l0"), Rule(r"(.*)", r"\1"))


DETECTOR = ModuleType(
    "vad.silero",
    NoConfig,
    {
        "forward": Method(
            _hear,
            summary="How likely speech is in every 32 ms, and the share of chunks with speech.",
        )
    },
    "composer_vad.detector:build_detector",
    "Where somebody speaks: silero-vad, at 16,000 samples per second.",
    made_for=lambda config: {"audio": {"features": "waveform", "rate": RATE}},
    layout=lambda config: "silero-vad",
    examples=({},),
)
LAYOUT = Layout("silero-vad", "The file silero_vad_16k.safetensors of the package silero-vad.", _rules)


@hookimpl
def composer_register(register: Register) -> None:
    """Register what this plugin offers."""
    register(DETECTOR, LAYOUT)
