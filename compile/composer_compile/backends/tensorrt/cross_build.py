"""Building TensorRT-RTX engines for named GPUs, on a machine that has another GPU or none.

TensorRT-RTX builds ahead of time, but Torch-TensorRT loads every engine as soon as it is built, on the GPU at hand. So
its bytes are taken before that happens. This reaches into the library's insides: it works with the versions that it was
seen with and refuses all others.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from composer_compile.backends.tensorrt.tensorrt_library import SEEN, TensorRTLibrary
from composer_compile.errors import BackendError
from composer_compile.patches import patched

__all__ = ["buildable", "built_for", "check_targets"]

BUILT_FOR = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
"""The compute capabilities that TensorRT-RTX builds for."""
SINCE = {"12.1": (1, 5)}
"""The TensorRT-RTX with which one of them came."""


def buildable(found: TensorRTLibrary) -> tuple[str, ...]:
    """The compute capabilities that this TensorRT-RTX builds for."""
    below = tuple(int(part) for part in found.tensorrt.split(".")[:2])
    return tuple(each for each in BUILT_FOR if below >= SINCE.get(each, (0,)))


def check_targets(targets: Sequence[str], found: TensorRTLibrary) -> None:
    """Raise BackendError where engines for these compute capabilities cannot be built here."""
    if not found.rtx:
        raise BackendError(
            f"{found.name} builds for the GPU of the machine that it runs on, so --target cannot be given: compile on "
            "that GPU's machine with --device cuda, or install multimodal-composer[tensorrt-rtx] instead"
        )
    if SEEN.get(found.version) != found.tensorrt:
        seen = " or ".join(
            f"torch-tensorrt-rtx {library} with tensorrt-rtx {below}" for library, below in SEEN.items()
        )
        raise BackendError(
            f"--target works with {seen}, and here are {found.version} and {found.tensorrt}: install these, or "
            "compile on the GPU's own machine with --device cuda"
        )
    for target in targets:
        if target not in buildable(found):
            raise BackendError(
                f"TensorRT-RTX {found.tensorrt} builds for compute capability {', '.join(buildable(found))} and not "
                f"for {target}: compile with standard Torch-TensorRT on the machine of that GPU"
            )


@contextlib.contextmanager
def built_for(targets: Sequence[str]) -> Iterator[None]:
    """Engines that are compiled meanwhile are built for `targets`, kept as bytes and not loaded."""
    from torch_tensorrt.dynamo import _compiler
    from torch_tensorrt.dynamo.conversion import _TRTInterpreter
    from torch_tensorrt.dynamo.runtime import TorchTensorRTModule

    trt = _TRTInterpreter.trt
    build = trt.Builder.build_serialized_network

    def build_for_targets(self: Any, network: Any, config: Any) -> Any:
        config.num_compute_capabilities = len(targets)
        for position, target in enumerate(targets):
            wanted = getattr(trt.ComputeCapability, f"SM{target.replace('.', '')}")
            if not config.set_compute_capability(wanted, position):
                raise BackendError(f"TensorRT-RTX refuses to build for compute capability {target}")
        return build(self, network, config)

    with contextlib.ExitStack() as stack:
        for owner, name, value in (
            (trt.Builder, "build_serialized_network", build_for_targets),
            (trt, "Runtime", _Runtime),
            (TorchTensorRTModule, "setup_engine", lambda self: None),
            (TorchTensorRTModule, "set_output_tensors_as_unowned", lambda self, enabled: None),
            # Parts that stay with torch are handed to the device at once as well.
            (_compiler, "to_torch_device", lambda device: torch.device("cpu")),
        ):
            stack.enter_context(patched(owner, name, value))
        yield


class _Runtime:
    """In the place of the library's own, which would load the engine."""

    def __init__(self, logger: Any) -> None:
        pass

    def deserialize_cuda_engine(self, content: Any) -> _Engine:
        return _Engine(bytes(content))


class _Engine:
    """An engine that was built and not loaded, as far as the library asks it anything."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> bytes:
        return self.content

    def get_aliased_input_tensor(self, name: str) -> None:
        """Only engines that write into their inputs have any; programs here never do."""
