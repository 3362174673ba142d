"""The backend `tensorrt`: Torch-TensorRT engines, standard and RTX. Imported only where the backend is used."""

from __future__ import annotations

from composer_compile.backends.tensorrt.backend import TensorRTBackend

__all__ = ["TensorRTBackend"]
