"""What an artifact says of how it was made: the command that makes it again, without paths of this machine."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from composer.graph import Report
from composer_compile.seam import BuildOptions

__all__ = ["command_of", "without_paths"]


def command_of(
    document: str | Path | Report,
    tasks: Iterable[str] | None,
    *,
    backend: str,
    build: BuildOptions,
    precisions: Iterable[str],
    settings: Mapping[str, Any],
    ranges: Mapping[str, str],
) -> str:
    """The command line; `precisions` as `--precision` takes them."""
    name = document.name if isinstance(document, Report) else Path(str(document)).name
    first, *rest = tasks if tasks is not None else [""]
    words = ["composer", "compile", f"{name}:{first}" if first else name, *rest, "--backend", backend]
    # A cache is a folder of this machine and changes no artifact.
    flags = {flag: value for flag, value in build.flags().items() if flag != "--build-cache"}
    words += [word for flag, value in flags.items() for word in ((flag, value) if value else (flag,))]
    words += [word for each in precisions for word in ("--precision", each)]
    words += [word for key, value in without_paths(settings).items() for word in ("--set", f"{key}={value}")]
    words += [word for key, text in ranges.items() for word in ("--range", f"{key}={text}")]
    return shlex.join(words)


def without_paths(value: Any) -> Any:
    """A value with the file's name alone in the place of every absolute path that there is on this machine."""
    if isinstance(value, Mapping):
        return {key: without_paths(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_paths(item) for item in value]
    if isinstance(value, (str, Path)) and os.path.isabs(value) and os.path.exists(value):
        return Path(value).name or str(value)
    return value
