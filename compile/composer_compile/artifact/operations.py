"""The operations that a program file calls: a plugin's own are known only where its code has registered them."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import IO

import torch

from composer_compile.errors import ArtifactError

__all__ = ["check_harmless", "is_registered", "unknown_operation", "unregistered"]

GRAPH = re.compile(r"/models/[^/]+\.json$")
CALLED = re.compile(rb'"(?:target|as_operator)":\s*"torch\.ops\.([\w.]+)"')
FILES = frozenset({"aten::from_file", "aten::save", "aten::_print"})
"""Operations of torch that read or write a file which their caller names, or print."""


def unknown_operation(program: Path | IO[bytes]) -> str | None:
    """The first operation, such as `plugin::op`, that a torch.export program calls and nothing here has registered.

    Raises ArtifactError as `check_harmless`.
    """
    with zipfile.ZipFile(program) as archive:
        graphs = [archive.read(name) for name in archive.namelist() if GRAPH.search(name)]
    names = {found.decode() for graph in graphs for found in CALLED.findall(graph)}
    for name in sorted(names):
        check_harmless("::".join(name.split(".")[:2]))
    unknown = sorted(name for name in names if not _is_known(name))
    return "::".join(unknown[0].split(".")[:2]) if unknown else None


def check_harmless(operation: str) -> None:
    """Raise ArtifactError for an operation, such as `aten::from_file`, which no computation needs."""
    if operation in FILES:
        raise ArtifactError(
            f"a program of the artifact calls {operation}, which opens a file or prints: it is not loaded"
        )


def is_registered(operation: str) -> bool:
    """Whether this process knows an operation, such as `plugin::op`."""
    return _is_known(operation.replace("::", "."))


def unregistered(operation: str) -> ArtifactError:
    """One sentence for a program that cannot be loaded because it calls an operation that is unknown here."""
    return ArtifactError(
        f"a program of the artifact calls the operation {operation}, which nothing in this process has registered: "
        "install the plugin that brings it, and import its code that registers it before the artifact is loaded"
    )


def _is_known(name: str) -> bool:
    target = torch.ops
    for part in name.split("."):
        if not hasattr(target, part):
            return False
        target = getattr(target, part)
    return True
