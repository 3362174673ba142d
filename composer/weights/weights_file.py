"""One weights file of any kind, told apart by its first bytes: a wrong file extension does no harm."""

from __future__ import annotations

import stat
from pathlib import Path

from composer.problems import NOT_FETCHED, is_address
from composer.sources.weights_error import unreadable
from composer.weights.contents import Contents
from composer.weights.gguf_file import GGUF_MAGIC, read_gguf
from composer.weights.onnx_file import looks_like_onnx, read_onnx
from composer.weights.pickle_file import LEGACY_MAGIC, read_pickle
from composer.weights.roots import Roots
from composer.weights.safetensors_file import looks_like_safetensors, read_safetensors

__all__ = ["check_regular", "read_file"]

_HEAD_BYTES = 512
_ZIP_MAGIC = b"PK\x03\x04"
_APPLE_DOUBLE = b"\x00\x05\x16\x07"
_AGAIN = "fetch or copy it again"

_SORTS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def check_regular(path: Path) -> None:
    """Raise WeightsError for what is not a regular file: reading a pipe or a device might never end."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if is_address(path):
            raise unreadable(path, NOT_FETCHED, "save the checkpoint as a file and name that") from None
        raise unreadable(path, "there is no such file") from None
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from None
    except ValueError as error:  # a NUL byte in the name
        raise unreadable(path, str(error)) from None
    if not stat.S_ISREG(mode):
        sort = _SORTS.get(stat.S_IFMT(mode), "not a file")
        raise unreadable(path, f"it is {sort}, and weights are mapped from a file", "give the path of a file")


def read_file(path: Path, roots: Roots) -> Contents:
    """Open one file. Raises WeightsError for whatever is not a checkpoint."""
    check_regular(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from None
    if looks_like_safetensors(head):
        return read_safetensors(path)
    if head.startswith((_ZIP_MAGIC, LEGACY_MAGIC)):
        return read_pickle(path, roots, zipped=head.startswith(_ZIP_MAGIC))
    if head.startswith(GGUF_MAGIC):
        return read_gguf(path)
    if looks_like_onnx(path, head):
        return read_onnx(path)
    raise unreadable(path, *_what_else(path, head))


def _what_else(path: Path, head: bytes) -> tuple[str, str]:
    """Name the cause, and the cure, for a file that is neither safetensors nor written by torch.save."""
    if not head:
        return "the file is empty", _AGAIN
    if head.startswith(_APPLE_DOUBLE):
        return "it is the companion (`._` file) that macOS writes beside a file", "give the file without `._`"
    if head.startswith(b"version https://git-lfs"):
        return "the file is a git-lfs pointer, not the weights", "run `git lfs pull`"
    if head.startswith(b"\x80"):
        return "it is a pickle that torch.save did not write, or a damaged one", _AGAIN
    if _is_text(head):
        return (
            "it is a text file, not a safetensors file or a torch checkpoint",
            "give the path of the weights",
        )
    if path.suffix == ".safetensors":
        return "it has no safetensors header: the file is truncated, or another kind of file", _AGAIN
    return "it is neither a safetensors file nor a torch checkpoint", "give the path of the weights"


def _is_text(head: bytes) -> bool:
    # A multi-byte character may be cut at the end of the head; such bytes are dropped, not held against the file.
    text = head.decode("utf-8", errors="ignore")
    dropped = len(head) - len(text.encode("utf-8"))
    return dropped < 4 and all(character.isprintable() or character in "\r\n\t\f" for character in text)
