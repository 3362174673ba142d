"""Loading AOTInductor libraries: machine code, with the weights outside."""

from __future__ import annotations

import os
import platform
import re
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary, finalize

import torch
from torch import Tensor

from composer_compile.artifact.operations import unregistered
from composer_compile.backends import attention_operation  # noqa: F401 - registers what libraries call
from composer_compile.backends.contract import LoadedProgram
from composer_compile.backends.pt2 import check_package
from composer_compile.errors import ArtifactError
from composer_compile.patches import patched, patched_environment, torch_alone
from composer_compile.scratch import VARIABLES, Scratch

__all__ = ["PACKED", "InductorLoader", "needed_by", "opened", "workshop"]

PACKED = ":packed"
"""End of the name under which a library takes a weight in oneDNN's own layout. No attribute of a module ends so."""
ROWS = 64
"""For how many rows weights are packed. From 8 on the layout is the same, and for one row the best, too."""
UNKNOWN = re.compile(r"Could not find schema for (\w+::\w+)")
"""What torch says of an operation that a library calls and nothing has registered."""


class InductorLoader:
    """A library is machine code: load artifacts of this backend only from whom you trust."""

    capturable = True
    captures_itself = False

    def __init__(self) -> None:
        self._packed: WeakValueDictionary[int, Tensor] = WeakValueDictionary()
        """Packed copies by the identity of their weights: programs share them, and keep both as long as they live."""

    def check_installed(self) -> None:
        """A C++ compiler is needed to compile, not to load; `compile` says so."""

    def mismatch(self, made_with: Mapping[str, str], device: torch.device) -> str | None:
        here = needed_by(device)
        if here["torch"].rpartition(".")[0] != made_with.get("torch", "").rpartition(".")[0]:
            return f"its libraries were built for torch {made_with.get('torch')} and this is torch {here['torch']}"
        for key, value in here.items():
            if key != "torch" and made_with.get(key) != value:
                return f"its libraries were built for {key} {made_with.get(key)} and this is {value}"
        return None

    def load(
        self,
        file: Callable[[], Path],
        content: memoryview,
        weights: Sequence[Tensor | None],
        device: torch.device,
    ) -> LoadedProgram:
        check_package(content)
        path = str(file())
        with workshop() as folder:
            try:
                package = opened(path, (device.index or 0) if device.type == "cuda" else -1)
            except RuntimeError as error:
                unknown = UNKNOWN.search(str(error))
                if unknown is not None:
                    raise unregistered(unknown[1]) from None
                raise folder.fault() or ArtifactError(
                    f"a library of the artifact cannot be loaded: {str(error).strip().splitlines()[0]}"
                ) from error
        names = sorted(package.get_constant_fqns())
        known = [weight for weight in weights if weight is not None]
        if len(names) != len(weights) or len(known) != len(weights):
            raise ArtifactError(
                f"a library reads {len(names)} weights and its manifest entry gives {len(weights)}"
            )
        read = [
            self._in_layout(weight) if name.endswith(PACKED) else weight
            for name, weight in zip(names, known, strict=True)
        ]
        # Torch never lets go of what it is given here (seen in 2.14): these are emptied when the library goes.
        given = [weight.detach() for weight in read]
        # A library that is called before it has its weights ends the process; so nobody sees it before.
        package.load_constants(
            dict(zip(names, given, strict=True)), check_full_update=True, user_managed=True
        )
        library = _Library(package, (*known, *read))
        finalize(library, _emptied, given).atexit = False
        return library

    def _in_layout(self, weight: Tensor) -> Tensor:
        """The weight in the layout that oneDNN reads fastest: a copy in memory."""
        packed = self._packed.get(id(weight))
        if packed is None:
            try:
                packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), ROWS)
            except (RuntimeError, IndexError) as error:
                raise ArtifactError(
                    "a library reads a weight of other sizes than its manifest entry gives"
                ) from error
            self._packed[id(weight)] = packed
        return packed


def _emptied(tensors: list[Tensor]) -> None:
    """Let tensors go of their numbers, in place."""
    for each in tensors:
        with torch.inference_mode(each.is_inference()):
            nothing = torch.empty(0, dtype=each.dtype, device=each.device)
            each.data = nothing.to_mkldnn() if each.is_mkldnn else nothing


@dataclass(frozen=True, eq=False)
class _Library:
    """A library that has its weights."""

    package: Any
    weights: tuple[Tensor, ...]
    """What it reads and what that was packed from, kept as long as it is."""
    turn: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, *tensors: Tensor) -> Sequence[Tensor]:
        # A library reads its inputs as the contiguous tensors that it was built for, whatever their strides say.
        given = [tensor.contiguous() for tensor in tensors]
        # It serves one thread at a time. Whoever waited inside it would keep the interpreter, which an operation that
        # is written in Python needs to come to its end.
        with self.turn:
            result = self.package(*given)
        # Once here, where every step of a search would else copy the keys and values of the memory.
        return [each.contiguous() for each in ([result] if isinstance(result, Tensor) else result)]


_shop: Scratch | None = None


@contextmanager
def workshop() -> Iterator[Scratch]:
    """Where torch and the compiler put their files meanwhile: one folder for the process, which goes when it ends.

    Torch remembers what it built there. `TORCHINDUCTOR_CACHE_DIR` names a folder to keep for later commands.
    """
    global _shop  # noqa: PLW0603 (torch's own memory of it is global, too)
    with torch_alone():
        if _shop is None or not _shop.path.is_dir():
            _shop = Scratch("inductor", runs_code=True)
        place = str(_shop.path)
        built = _named_by_the_user() or os.path.join(place, "built")
        variables = {**dict.fromkeys(VARIABLES, place), "TORCHINDUCTOR_CACHE_DIR": built}
        with patched_environment(**variables), patched(tempfile, "tempdir", place):
            yield _shop


def _named_by_the_user() -> str | None:
    """The cache's folder where somebody named one; torch writes its own choice into the same variable."""
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    named = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    return None if named is None or named == os.path.abspath(default_cache_dir()) else named


def opened(path: str, device_index: int) -> Any:
    """The library, for which `mismatch` was asked before. Call it inside `workshop`."""
    from torch._inductor import aoti_load_package, codecache

    # Torch would compile programs to learn which instructions this processor has, for seconds in each new process, and
    # warn where they are others than those of the library.
    with patched(codecache, "get_device_information", lambda _: {}):
        return aoti_load_package(path, device_index=device_index)


def needed_by(device: torch.device) -> dict[str, str]:
    return {"torch": torch.__version__.split("+")[0], **_machine(device)}


def _machine(device: torch.device) -> dict[str, str]:
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return {"device": "cuda", "capability": f"{major}.{minor}"}
    return {
        "device": device.type,
        "processor": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }
