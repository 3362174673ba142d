"""What an artifact says of how it was made: the command that makes it again, without paths of this machine."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.graph import Report
from composer.language import Source

if TYPE_CHECKING:
    from composer_compile.options import Options

__all__ = ["command_of", "without_paths"]


def command_of(
    document: str | Path | Source | Report,
    tasks: Iterable[str] | None,
    options: Options,
    *,
    weights: str | Path | None,
    layout: str | None,
    root: str | None = None,
    init: Iterable[str] = (),
    settings: Mapping[str, Any],
    device: str,
) -> str:
    """The command line without `--out`: an artifact may be moved, so `Container.rebuild` adds where it lies."""
    name = document.name if isinstance(document, Report) else Path(str(document)).name
    first, *rest = tasks if tasks is not None else [""]
    words = ["composer", "compile", f"{name}:{first}" if first else name, *rest, "--backend", options.backend]
    # A cache is a folder of this machine and changes no artifact.
    build = {flag: value for flag, value in options.build.flags().items() if flag != "--build-cache"}
    where = {flag: value for flag, value in (("--root", root or ""), ("--init", ",".join(init))) if value}
    flags = {**_flags(options, weights, layout, device), **where, **build}
    words += [word for flag, value in flags.items() for word in ((flag, value) if value else (flag,))]
    precisions = [options.precision] if options.precision else []
    precisions += [f"{part}={each}" for part, each in options.precisions.items()]
    words += [word for each in precisions for word in ("--precision", each)]
    words += [word for key, value in without_paths(settings).items() for word in ("--set", f"{key}={value}")]
    words += [word for key, text in options.ranges.items() for word in ("--range", f"{key}={text}")]
    return shlex.join(words)


def _flags(options: Options, weights: str | Path | None, layout: str | None, device: str) -> dict[str, str]:
    """What is asked for beside the backend's own options; weights by the name of their file alone."""
    given = {
        "--weights": "" if weights is None else Path(weights).name,
        "--layout": layout or "",
        "--device": "" if device == "cpu" else device,
        "--session": ",".join(options.session),
        "--tolerance": "" if options.tolerance is None else str(options.tolerance),
    }
    flags = {flag: value for flag, value in given.items() if value}
    return {**flags, "--accept-drift": ""} if options.accept_drift else flags


def without_paths(value: Any) -> Any:
    """A value with the file's name alone in the place of every absolute path that there is on this machine."""
    if isinstance(value, Mapping):
        return {key: without_paths(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_paths(item) for item in value]
    if isinstance(value, (str, Path)) and os.path.isabs(value) and os.path.exists(value):
        return Path(value).name or str(value)
    return value
