"""Reading a torch.save file: with `weights_only` alone, since a pickle can run any code while it is opened."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

from composer.files import utf8_name
from composer.sources.weights_error import unreadable
from composer.weights.contents import Contents
from composer.weights.roots import Roots, find_tensors

__all__ = ["LEGACY_MAGIC", "read_pickle"]

LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How torch.save began its files before they were zip archives (torch 1.5 and older)."""

OLDEST_SAFE_TORCH = (2, 10)
"""The first release in which no way around `weights_only` is known."""

_AGAIN = "fetch or copy it again"
_FORBIDDEN = re.compile(r"(?:Unsupported (?:global: GLOBAL|class)|unsupported GLOBAL) ([\w.]+)")


def read_pickle(path: Path, roots: Roots, *, zipped: bool) -> Contents:
    """Map the tensors of a checkpoint; they lie under one of `roots`, or at the top.

    Legacy files (not `zipped`) cannot be mapped, they are read.

    Raises:
        WeightsError: damaged, forbidden, not torch's, or not a mapping from names to tensors.
    """
    _check_torch(path)
    if zipped:
        _check_archive(path)
    value = _load(path, mapped=zipped)
    state, root = find_tensors(path, value, roots)
    return Contents({key: partial(state.__getitem__, key) for key in state}, "torch", root=root)


def _check_torch(path: Path) -> None:
    """`weights_only` is a boundary only where torch has none of the known ways around it."""
    import torch

    numbers = re.match(r"(\d+)\.(\d+)", torch.__version__)
    if numbers is None or tuple(map(int, numbers.groups())) < OLDEST_SAFE_TORCH:
        oldest = ".".join(map(str, OLDEST_SAFE_TORCH))
        raise unreadable(
            path,
            f"it is a pickle, and a pickle can run code through torch {torch.__version__} although only tensors are "
            "asked for (CVE-2025-32434, GHSA-63cw-57p8-fm3p)",
            f"install torch {oldest} or newer, or save the tensors as safetensors",
        )


def _check_archive(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        raise unreadable(path, "the torch checkpoint is truncated (its zip directory is cut off)", _AGAIN)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    names = {entry.filename.rpartition("/")[2] for entry in entries}
    if "constants.pkl" in names:
        raise unreadable(
            path,
            "it is a TorchScript archive, which holds a program",
            "save the module's state_dict() instead",
        )
    if "data.pkl" not in names:
        raise unreadable(
            path, "it is a zip file that torch.save did not write", "give the path of the weights"
        )
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        # Tensors are mapped from where they lie in the file: compressed ones would be noise.
        raise unreadable(
            path,
            "its entries are compressed, and torch.save never does that",
            "unpack it and write it anew without compression (zip -0), or save it again",
        )


def _load(path: Path, *, mapped: bool) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of sorts of tensors that are no weights, which is told where one is taken
            with utf8_name(path) as name:
                return torch.load(name, weights_only=True, mmap=mapped, map_location="cpu")
    except pickle.UnpicklingError as error:
        forbidden = _forbidden(path, str(error), zipped=mapped)
        if not forbidden:
            raise unreadable(path, "the pickle inside is damaged", _AGAIN) from None
        raise unreadable(
            path,
            f"its pickle asks for {', '.join(forbidden)}, and a pickle that may import can run any code, so only "
            "tensors and plain containers are read (weights_only)",
            "where you trust the file, save its tensors alone as safetensors and load that",
        ) from None
    except Exception as error:  # a damaged file may fail anywhere inside the unpickler, with any exception
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise unreadable(path, f"the torch checkpoint is truncated or damaged ({reason})", _AGAIN) from None


def _forbidden(path: Path, message: str, *, zipped: bool) -> list[str]:
    """Every global that the pickle may not have (read without running it); for legacy files, the first."""
    from torch.serialization import get_unsafe_globals_in_checkpoint

    if zipped:
        try:
            return sorted(get_unsafe_globals_in_checkpoint(path))
        except Exception:  # what cannot be unpickled cannot always be read without that
            return []
    return _FORBIDDEN.findall(message)[:1]
