"""What a command line or a call says of weights: one source for the whole document, and others for single modules."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Union

from composer.graph import Checked
from composer.graph.checked import split_part
from composer.language.declared_weights import FRESH, DeclaredWeights, read_weights_map, read_weights_text
from composer.plugin import Layout, Registry
from composer.problems import InputError
from composer.problems.suggest import unknown

__all__ = [
    "INITIAL",
    "WHOLE",
    "GivenNames",
    "GivenSources",
    "GivenWeights",
    "for_the_whole",
    "named_layout",
    "named_source",
    "options_for",
    "read_given",
]

INITIAL = "initial"
"""As `weights`: keep the initial (random) weights, for training and tests."""
WHOLE = "*"
"""The key of the source for the whole document, where a map names others for single modules."""

OneSource = Union[str, "PathLike[str]", Mapping[str, str]]
GivenWeights = Union[OneSource, Mapping[str, OneSource], None]
"""A path, `package:name/file`, `hub:owner/name@revision/file` or the name of a shipped document; or a map from names
of modules to such, or to maps with the keys of the long form, and `*` for all other modules."""

GivenNames = Union[str, Mapping[str, str], None]
"""A layout or a root: of the source for the whole document, or by module, as `GivenWeights`."""


@dataclass(frozen=True)
class GivenSources:
    """What was given, read. `document` names the shipped document that the whole source belongs to."""

    whole: DeclaredWeights | None = None
    document: str | None = None
    initial: bool = False
    """Whether all modules keep their initial weights, but for those that are named."""
    pairs: Mapping[str, DeclaredWeights] = field(default_factory=dict)


def read_given(
    report: Checked, registry: Registry, weights: GivenWeights, layout: GivenNames, root: GivenNames
) -> GivenSources:
    """Read the options. Raises InputError for a name that nothing has, and for what is not a source."""
    if any(not text.strip(".") for text in _by_module(root).values()):
        raise InputError("the root is empty: name an entry of the checkpoint with root= (--root)")
    _hold_layouts(registry, _by_module(layout).values())
    whole, named = _split(weights)
    for option, by_module in (("layout", _by_module(layout)), ("root", _by_module(root))):
        for name, value in by_module.items():
            if name != WHOLE and name not in named:
                raise InputError(
                    f"--{option} {name}={value} belongs to --weights {name}=FILE, which is not given"
                )
    pairs = {
        name: _with_options(_pair(report, registry, name, value), name, layout, root)
        for name, value in named.items()
    }
    if whole is None:
        return GivenSources(pairs=pairs)
    declared, document = DeclaredWeights(fresh=True), None
    if str(whole) != INITIAL:
        declared, document = _source(registry, whole, "weights= (--weights)")
    if declared.fresh and for_the_whole(root) is not None:
        raise InputError(f"root= (--root) belongs to a checkpoint, and weights={INITIAL!r} reads none")
    if declared.fresh:
        return GivenSources(initial=True, pairs=pairs)
    return GivenSources(_with_options(declared, WHOLE, layout, root), document, pairs=pairs)


def options_for(module: str, declared: DeclaredWeights) -> str:
    """The options of a command line that name this source for a module."""
    source = str(declared.path) if declared.sort == "file" else str(declared)
    below = ".".join(filter(None, (declared.root, declared.prefix)))
    named = (("--weights", source), ("--layout", declared.layout), ("--root", below))
    return " ".join(f"{option} {module}={value}" for option, value in named if value)


def named_source(registry: Registry, text: str, what: str) -> DeclaredWeights:
    """One source by itself, without a document. Raises InputError for what is not one."""
    declared, _ = _source(registry, text, what)
    if declared.fresh:
        raise InputError(f"{what}: `{text}` is not a checkpoint")
    return declared


def named_layout(registry: Registry, id: str | None) -> Layout | None:
    """A layout by its id. Raises InputError where there is none."""
    if id is None:
        return None
    _hold_layouts(registry, [id])
    return registry.layouts[id]


def _hold_layouts(registry: Registry, layouts: Iterable[str]) -> None:
    for layout in layouts:
        if layout and layout not in registry.layouts:
            raise unknown("layout", layout, registry.layouts)


def _by_module(names: GivenNames) -> Mapping[str, str]:
    return {} if names is None else {WHOLE: names} if isinstance(names, str) else names


def for_the_whole(names: GivenNames) -> str | None:
    """What is given for the source of the whole document."""
    return _by_module(names).get(WHOLE)


def _with_options(
    declared: DeclaredWeights, name: str, layout: GivenNames, root: GivenNames
) -> DeclaredWeights:
    layout_of, root_of = _by_module(layout).get(name), _by_module(root).get(name)
    return replace(declared, layout=layout_of or declared.layout, root=root_of or declared.root)


def _split(weights: GivenWeights) -> tuple[OneSource | None, Mapping[str, OneSource]]:
    """The source for the whole document, and those for modules."""
    if weights is None or isinstance(weights, (str, PathLike)):
        return weights, {}
    if not isinstance(weights, Mapping):
        raise InputError(f"weights must be a path, a text or a map from modules to such, not {weights!r}")
    pairs: dict[str, OneSource] = {}
    for name, value in weights.items():
        if not isinstance(value, (str, PathLike, Mapping)):
            raise InputError(f"weights[{name!r}] must be a path, a text or a map, not {value!r}")
        pairs[name] = value
    return pairs.pop(WHOLE, None), pairs


def _pair(report: Checked, registry: Registry, name: str, value: OneSource) -> DeclaredWeights:
    module, adapter = split_part(name)
    if module not in report.modules or (adapter and adapter not in report.modules[module].adapters):
        if any(name == key for key in ("file", "package", "hub")):
            raise InputError(
                f"weights={{{name!r}: ...}} reads as a map of modules: write {{{WHOLE!r}: {{{name!r}: ...}}}} for the "
                "whole document"
            )
        raise unknown("module", name, report.modules, report.name)
    if str(value) in (INITIAL, FRESH):
        return DeclaredWeights(fresh=True)
    return _source(registry, value, f"--weights {name}=")[0]


def _source(registry: Registry, value: OneSource, what: str) -> tuple[DeclaredWeights, str | None]:
    """The source that a text or a map names, with the shipped document whose weights it is."""
    if isinstance(value, Mapping):
        read = read_weights_map(value)
        if isinstance(read, tuple):
            raise InputError(f"{what}: {read[1]}")
        declared = read
    else:
        text = os.fspath(value)
        if text == "":
            raise InputError(
                f"the name of the weights is empty: name a checkpoint, or `{INITIAL}` for random ones"
            )
        known = registry.documents.get(text)
        if known is not None and not is_there(text):
            if known.weights is None:
                raise InputError(
                    f"the document {text} ships no weights: name a checkpoint with weights= (--weights)"
                )
            return DeclaredWeights(file=str(known.weights)), text
        # a path that is there is a path, whatever else its name could mean
        declared = DeclaredWeights(file=text) if is_there(text) else read_weights_text(text)
    _hold_layouts(registry, [declared.layout])
    for _, fault, cure in declared.faults():
        raise InputError(f"{what}{'' if what.endswith('=') else ' '}{declared}: {fault}; {cure}")
    return declared, None


def is_there(text: str) -> bool:
    """Whether a text is the path of something."""
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False
