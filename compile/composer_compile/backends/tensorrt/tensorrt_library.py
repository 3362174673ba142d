"""Importing Torch-TensorRT, standard or RTX, and what differs between its versions 2.11 to 2.14.

Both packages import as `torch_tensorrt`; their distributions tell which is installed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import logging
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from composer_compile.errors import BackendError
from composer_compile.patches import patched, torch_alone

__all__ = [
    "SEEN",
    "TensorRTLibrary",
    "check_installed",
    "fitting",
    "installed",
    "keeps_attention",
    "library",
    "on_graphs",
]

INSTALL = 'pip install "multimodal-composer[tensorrt-rtx]" (or [tensorrt], from NVIDIA\'s index)'
FIRST, LAST = (2, 11), (2, 14)
"""The versions of Torch-TensorRT whose interface is known here."""
SEEN = {"2.11.0": "1.4.0.76", "2.12.1": "1.4.0.76", "2.13.0": "1.5.0.114", "2.14.0": "1.6.1.120"}
"""torch-tensorrt-rtx → the tensorrt-rtx with which it was seen to build every stage of `quickstart:image-qa`."""
PLANNED_CAPABILITY = (8, 6)
"""Answered to the library where there is no GPU and none is named; no converter's support depends on it."""


@dataclass(frozen=True)
class TensorRTLibrary:
    """What is installed."""

    name: str
    """`torch-tensorrt` or `torch-tensorrt-rtx`."""
    version: str
    tensorrt: str
    """Version of TensorRT, or of TensorRT-RTX."""

    @property
    def rtx(self) -> bool:
        return self.name == "torch-tensorrt-rtx"

    def entries(self) -> dict[str, str]:
        """What programs depend on."""
        return {
            "torch": torch.__version__.split("+")[0],
            "library": self.name,
            "torch_tensorrt": self.version,
            "tensorrt": self.tensorrt,
            "platform": f"{sys.platform} {platform.machine().lower()}",
        }


def check_installed() -> None:
    """Raise BackendError, with what to install, where Torch-TensorRT is missing or of an unknown version."""
    found = installed()
    if not FIRST <= _minor(found) <= LAST:
        raise BackendError(
            f"the backend tensorrt works with Torch-TensorRT {_dotted(FIRST)} to {_dotted(LAST)}, and {found.name} "
            f"{found.version} is installed: install the version that goes with torch {torch.__version__}"
        )


def installed() -> TensorRTLibrary:
    """Which library is installed. Raises BackendError where there is none."""
    if importlib.util.find_spec("torch_tensorrt") is not None:
        for name, below in (("torch-tensorrt-rtx", "tensorrt-rtx"), ("torch-tensorrt", "tensorrt")):
            with contextlib.suppress(PackageNotFoundError):
                return TensorRTLibrary(name, version(name).split("+")[0], version(below))
    raise BackendError(f"the backend tensorrt needs Torch-TensorRT, which is not installed: {INSTALL}")


def _minor(found: TensorRTLibrary) -> tuple[int, ...]:
    return tuple(int(part) for part in found.version.split(".")[:2] if part.isdigit())


def _dotted(minor: tuple[int, int]) -> str:
    return ".".join(map(str, minor))


@contextlib.contextmanager
def library(answered: tuple[int, int] = PLANNED_CAPABILITY) -> Iterator[io.StringIO]:
    """Import and use Torch-TensorRT, also where there is no GPU; gives what the library prints meanwhile.

    Seen with torch-tensorrt-rtx 2.14.0: on import it asks torch for the current device and its capability, which fails
    without a driver. Where there is no GPU, both are answered while it is used here; nothing is run on the device.
    """
    printed = io.StringIO()
    with torch_alone(), contextlib.ExitStack() as stack:
        if not torch.cuda.is_available():
            stack.enter_context(patched(torch.cuda, "get_device_capability", lambda *_: answered))
            stack.enter_context(patched(torch.cuda, "current_device", lambda: 0))
        stack.enter_context(contextlib.redirect_stderr(printed))
        stack.enter_context(contextlib.redirect_stdout(printed))
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        stack.callback(logging.disable, before)
        _hide_plugins()
        try:
            import torch_tensorrt  # noqa: F401
        except Exception as error:  # the library raises plain exceptions where its own parts are missing
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise BackendError(
                f"Torch-TensorRT is installed and cannot be imported: {reason}{_other_below()}"
            ) from error
        yield printed


def _other_below() -> str:
    """What to install below a library that cannot be imported; pip gives 2.11 a TensorRT-RTX that is too new for it."""
    with contextlib.suppress(BackendError):
        found = installed()
        wanted = SEEN.get(found.version) if found.rtx else None
        if wanted not in (None, found.tensorrt):
            return (
                f"; {found.name} {found.version} was seen to work with tensorrt-rtx {wanted} and here is "
                f"{found.tensorrt}: pip install tensorrt-rtx=={wanted}"
            )
    return ""


def _hide_plugins() -> None:
    """Let nobody look for plugins of TensorRT-RTX, which are not there.

    Its wheels (seen in 1.4 to 1.7) hold a package for them that fails on import, since the bindings lack their half.
    Torch-TensorRT-RTX 2.11 looks for it when it is imported; later versions know that there is none.
    """
    with contextlib.suppress(BackendError):
        if installed().rtx:
            sys.modules.setdefault("tensorrt.plugin", None)  # type: ignore[arg-type]


def fitting(function: Callable[..., Any], **wanted: Any) -> dict[str, Any]:
    """Those of the wanted keywords that this version's function takes.

    `use_explicit_typing` went with 2.13, where everything is strongly typed; `requires_output_allocator` and its
    like are younger than some modules.
    """
    known = inspect.signature(function).parameters
    return {name: value for name, value in wanted.items() if name in known}


def keeps_attention() -> bool:
    """Whether attention arrives at the library's converter for it.

    2.11 takes it apart before that, on the CPU into an operation that no engine runs. Its own way of writing it out,
    `decompose_attention`, makes TensorRT-RTX 1.4 crash on a step of a search.
    """
    return _minor(installed()) > FIRST


@contextlib.contextmanager
def on_graphs(wanted: bool) -> Iterator[None]:
    """Run engines through CUDA graphs, or not. The library's switch is global, so callers hold a lock."""
    from torch_tensorrt import runtime

    if not wanted:
        yield
        return
    runtime.set_cudagraphs_mode(True)
    try:
        yield
    finally:
        runtime.set_cudagraphs_mode(False)
