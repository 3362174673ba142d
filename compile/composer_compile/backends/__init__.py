"""The backends that ship with the project, as declarations. Imports no torch."""

from __future__ import annotations

from composer.plugin import Backend

__all__ = ["BACKENDS"]

BACKENDS: tuple[Backend, ...] = (
    Backend(
        "export",
        "composer_compile.backends.export_builder:ExportBuilder",
        "composer_compile.backends.export_loader:ExportLoader",
        "torch.export programs: run wherever torch runs, with its own kernels.",
    ),
    Backend(
        "inductor",
        "composer_compile.backends.inductor_builder:InductorBuilder",
        "composer_compile.backends.inductor_loader:InductorLoader",
        "AOTInductor libraries for this machine's processor or GPU; building them needs a C++ compiler.",
    ),
    Backend(
        "tensorrt",
        "composer_compile.backends.tensorrt.tensorrt_builder:TensorRTBuilder",
        "composer_compile.backends.tensorrt.tensorrt_loader:TensorRTLoader",
        "Torch-TensorRT engines; --plan needs no GPU.",
        extra="tensorrt",
    ),
)
