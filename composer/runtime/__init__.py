"""Running: programs, inputs, generation and models. Importing this imports torch."""

from composer.runtime.generation import after_prefill, text_pieces, written
from composer.runtime.importing import ImplementationError, import_object
from composer.runtime.linear import linear, prefers_onednn
from composer.runtime.model import INITIAL, Model, NotCopiedError, Runner, build_for_training, device_of, load
from composer.runtime.program import Program, build_module, build_program
from composer.runtime.start import Start

__all__ = [
    "INITIAL",
    "ImplementationError",
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
    "import_object",
    "linear",
    "load",
    "prefers_onednn",
    "text_pieces",
    "written",
]
