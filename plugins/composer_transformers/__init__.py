"""Plugin entry module of composer_transformers: models of the transformers library. Imports neither it nor torch."""

from __future__ import annotations

from composer.plugin import Register, hookimpl
from composer_transformers.audio_modality import AUDIO, WAVEFORM
from composer_transformers.checkpoint_layout import LAYOUTS
from composer_transformers.encoder_types import ENCODER_LAYOUTS, ENCODERS
from composer_transformers.generator_types import GENERATORS
from composer_transformers.gguf_layout import GGUF

__all__ = ["composer_register"]


@hookimpl
def composer_register(register: Register) -> None:
    """Register the module types of transformers' models, the layouts of their checkpoints, and what they hear."""
    register(*GENERATORS, *LAYOUTS, GGUF)
    register(WAVEFORM, AUDIO, *ENCODERS, *ENCODER_LAYOUTS)
