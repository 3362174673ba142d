"""Layouts: how published checkpoints name their tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from composer.plugin.declarations.base import Declaration

__all__ = ["Layout", "Rule"]


@dataclass(frozen=True)
class Rule:
    """One rule of a layout: published keys that fully match `pattern` are renamed to `target`, or ignored.

    `target` may use the groups of `pattern` (`\\1`, `\\g<name>`) and reads `<module>.<parameter>`; None ignores the
    key, and `name` then says why in the loading report. `transform` names a function of the layout's `transforms`.
    An `optional` rule ignores its keys, under `name`, where the document declares no such module; a `spare` one also
    where its module has no such parameter, as one that was built without its classifier.
    """

    pattern: str
    target: str | None
    name: str = ""
    transform: str | None = None
    optional: bool = False
    spare: bool = False


@dataclass(frozen=True)
class Layout(Declaration):
    """How a published checkpoint names its tensors and its config.

    `rules(parameters)` gives the rules in order of precedence, as data; `parameters(config)` maps the published config
    (the parsed JSON) to values of the document's parameters; `transforms` maps names to `"package.module:function"`s
    with the signature `(tensor, target_shape) -> tensor`. `initialised` names parameters (regular expressions on
    `<module>.<parameter>`) that a checkpoint may lack, with the reason.
    """

    noun: ClassVar[str] = "layout"
    references: ClassVar[tuple[str, ...]] = ("transforms", "folder")
    summary: str
    rules: Callable[[Mapping[str, Any]], tuple[Rule, ...]]
    parameters: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    transforms: Mapping[str, str] = field(default_factory=dict)
    initialised: Mapping[str, str] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    """Keys of a pickled checkpoint under which the tensors lie, tried in order (`model`, `module`)."""
    examples: tuple[Mapping[str, Any], ...] = ()
    """Values of a document's parameters with which the conformance kit asks for the rules; empty takes none."""
    configs: tuple[Mapping[str, Any], ...] = ()
    """Published configs with which the conformance kit asks for `parameters`."""
    keys: tuple[str, ...] = ()
    """Names of published tensors with which the conformance kit tries the rules: each rule takes one of them at least,
    each of them is taken by a rule, and comes to a parameter of the `document`, where there is one."""
    shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    """Transform → the shapes of a tensor that it takes and of the one that it gives, with which the kit runs it."""
    document: str = ""
    """Name of a shipped document whose modules its checkpoints fill: `composer import` writes tensors as these have
    them, with the document beside them; "" where any may."""
    folder: str | None = None
    """A function `(path of the checkpoint, folder)` that writes beside converted tensors what else the file holds, such
    as a config and a tokenizer; for `composer import`."""
