"""Running: programs, inputs, generation and models. Importing this imports torch."""

from composer.execution.generation import after_prefill, text_pieces, written
from composer.execution.linear import linear, prefers_onednn
from composer.execution.model import (
    INITIAL,
    Model,
    NotCopiedError,
    Runner,
    build_for_training,
    device_of,
    load,
)
from composer.execution.program import Program, build_module, build_program
from composer.execution.start import Start

__all__ = [
    "INITIAL",
    "Model",
    "NotCopiedError",
    "Program",
    "Runner",
    "Start",
    "after_prefill",
    "build_for_training",
    "build_module",
    "build_program",
    "device_of",
    "linear",
    "load",
    "prefers_onednn",
    "text_pieces",
    "written",
]
