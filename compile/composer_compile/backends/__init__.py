"""The backends that ship with the project, as declarations. Imports no torch."""

from __future__ import annotations

from composer.plugin import Backend

__all__ = ["BACKENDS"]

BACKENDS: tuple[Backend, ...] = (
    Backend(
        "export",
        "composer_compile.backends.export:ExportBackend",
        "torch.export programs: run wherever torch runs, with its own kernels.",
    ),
    Backend(
        "inductor",
        "composer_compile.backends.inductor:InductorBackend",
        "AOTInductor libraries for this machine's processor or GPU; building them needs a C++ compiler.",
    ),
    Backend(
        "tensorrt",
        "composer_compile.backends.tensorrt:TensorRTBackend",
        "Torch-TensorRT engines; --plan needs no GPU.",
        extra="tensorrt",
    ),
)
