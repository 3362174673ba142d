"""What an artifact says of how it was made: the command that makes it again, without paths of this machine."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.graph import Report
from composer.language import Source
from composer.language.declared_weights import HUB, PACKAGE, DeclaredWeights, read_weights_map
from composer.sources import GivenNames, GivenWeights

if TYPE_CHECKING:
    from composer_compile.options import Options

__all__ = ["command_of", "without_paths"]


def command_of(
    document: str | Path | Source | Report,
    tasks: Iterable[str] | None,
    options: Options,
    *,
    weights: GivenWeights,
    layout: GivenNames,
    root: GivenNames = None,
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
    where = {"--init": ",".join(init)} if init else {}
    flags = {**_flags(options, device), **where, **build}
    for flag, given in (("--weights", weights), ("--layout", layout), ("--root", root)):
        words += [word for text in _by_module(given) for word in (flag, text)]
    words += [word for flag, value in flags.items() for word in ((flag, value) if value else (flag,))]
    precisions = [options.precision] if options.precision else []
    precisions += [f"{part}={each}" for part, each in options.precisions.items()]
    words += [word for each in precisions for word in ("--precision", each)]
    words += [word for key, value in without_paths(settings).items() for word in ("--set", f"{key}={value}")]
    words += [word for key, text in options.ranges.items() for word in ("--range", f"{key}={text}")]
    return shlex.join(words)


def _by_module(given: GivenWeights | GivenNames) -> Iterator[str]:
    """What an option says of the whole document and of modules; files by their names alone."""
    if given is None:
        return
    whole = given if isinstance(given, Mapping) else {"*": given}
    for module, value in whole.items():
        text = _without_folder(value)
        yield text if module == "*" else f"{module}={text}"


def _without_folder(value: str | os.PathLike[str] | Mapping[str, str]) -> str:
    if isinstance(value, Mapping):
        declared = read_weights_map(value)
        text = str(declared) if isinstance(declared, DeclaredWeights) else ""
    else:
        text = os.fspath(value)
    return text if text.startswith((HUB, PACKAGE)) else Path(text).name


def _flags(options: Options, device: str) -> dict[str, str]:
    """What is asked for beside the weights and the backend's own options."""
    given = {
        "--device": "" if device == "cpu" else device,
        "--seed": "" if options.seed is None else str(options.seed),
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
