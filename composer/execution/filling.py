"""The empty modules of a document, of the sizes that a published config says: what a checkpoint is laid onto."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from composer.execution.parts import build_parts
from composer.execution.program import build_module, module_names
from composer.graph import Checked, CheckedModule, check
from composer.language import Source
from composer.plan import plan_task
from composer.plugin import Layout, Registry
from composer.plugin.answers import as_map
from composer.plugin.asking import PluginError, ask
from composer.problems import InputError

__all__ = ["empty_module", "modules_to_fill", "published_parameters", "read_published"]


def modules_to_fill(
    document: str | Path,
    registry: Registry,
    layout: Layout,
    config: Mapping[str, object] | None = None,
    settings: Mapping[str, object] | None = None,
) -> tuple[Checked, dict[str, nn.Module]]:
    """The checked document, and the modules that its tasks call, without data.

    Raises DocumentError for a faulty document, InputError for a config that the layout cannot read.
    """
    parameters = {**published_parameters(registry, layout, config, document), **(settings or {})}
    report = check(document, registry=registry, settings=parameters).raise_for_errors()
    names = module_names([plan_task(task) for task in report.tasks.values()])
    return report, dict(build_parts(report, names, empty_module, empty=True).weights)


def published_parameters(
    registry: Registry,
    layout: Layout | None,
    config: Mapping[str, object] | None,
    document: str | Path | Source,
) -> dict[str, object]:
    """The published config as parameters; what the document has no parameter for is left out."""
    if config is None:
        return {}
    if layout is None or layout.parameters is None:
        raise InputError(
            "a published config needs the layout that reads it: name one with layout= (--layout)"
        )
    unset = check(document, registry=registry).document
    known = unset.parameters if unset is not None else {}
    values = ask(layout.parameters, config, what=f"`parameters` of {layout.title}", accept=as_map)
    return {name: value for name, value in values.items() if name in known}


def read_published(path: Path) -> dict[str, object]:
    """A published config. Raises InputError where it cannot be read, or is not a JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold a JSON object")
    return value


def empty_module(declared: CheckedModule) -> nn.Module:
    """A module on the meta device, or on the CPU where it computes values that no checkpoint holds."""
    try:
        with torch.device("meta"):
            module = build_module(declared.type, declared.config)
    except PluginError:
        # A builder that reads the values of tensors; whatever else is wrong shows on the CPU as well.
        return build_module(declared.type, declared.config)
    saved = module.state_dict(keep_vars=True).keys()
    if any(key not in saved and buffer.is_meta for key, buffer in module.named_buffers()):
        return build_module(declared.type, declared.config)
    return module
