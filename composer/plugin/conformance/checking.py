"""Checking a plugin: every promise of every entry, none left out because another is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType as PythonModule
from typing import Any

from composer.plugin.conformance.cases import Build, Case, configs_of, import_reference
from composer.plugin.conformance.entry_module import check_entry_module
from composer.plugin.conformance.export import check_export
from composer.plugin.conformance.generation import (
    check_generation,
    check_generation_export,
    generation_case,
)
from composer.plugin.conformance.padding import check_padding
from composer.plugin.conformance.promises import check_batch, check_determinism, check_signature
from composer.plugin.conformance.report import ConformanceReport, Failure, Result, Skip
from composer.plugin.conformance.weights import check_weights
from composer.plugin.declarations import ModuleType
from composer.plugin.hooks import PROJECT
from composer.plugin.loading import load_registry
from composer.plugin.registry import Registry
from composer.problems import InputError

__all__ = ["check_plugin"]

PROMISES: tuple[tuple[str, Callable[[Case], str]], ...] = (
    ("batch", check_batch),
    ("padding", check_padding),
    ("determinism", check_determinism),
    ("weights", check_weights),
    ("export", check_export),
)
"""What is checked of a method whose signature holds."""

REFERENCES = {
    "modalities": ("processor", "prepare"),
    "module_types": ("builder",),
    "layouts": ("transforms",),
    "policies": ("implementation",),
    "datasets": ("builder",),
    "metrics": ("implementation",),
    "backends": ("implementation",),
}
"""Section → the attributes that name implementations."""


def check_plugin(entry: str | object) -> ConformanceReport:
    """Hold a plugin to what it declares.

    Args:
        entry: the name of an installed plugin (its entry point), or the plugin itself: a module or object with the hook
            `composer_register`, checked as if it were installed.

    Raises:
        InputError: no plugin of that name is installed.
    """
    if isinstance(entry, str):
        name, module_name, registry = entry, _entry_point(entry).module, load_registry()
    else:
        name = getattr(entry, "__name__", type(entry).__name__)
        module_name = entry.__name__ if isinstance(entry, PythonModule) else ""
        registry = load_registry([(name, entry)])
    return ConformanceReport(name, tuple(_results(name, module_name, registry)))


def _entry_point(name: str) -> EntryPoint:
    points = {point.name: point for point in entry_points(group=PROJECT)}
    if name not in points:
        raise InputError(f"no plugin {name!r} is installed; there are {', '.join(sorted(points)) or 'none'}")
    return points[name]


def _results(name: str, module_name: str, registry: Registry) -> Iterator[Result]:
    if module_name:
        yield _result("plugin", "entry module", partial(check_entry_module, module_name))
    broken = [each for each in registry.broken if each.origin.plugin == name]
    if broken:
        yield Result("plugin", "registering", "fail", broken[0].error)
        return
    for conflict in registry.conflicts:
        if conflict.second.plugin == name:
            reason = f"{conflict.id!r} of {conflict.section} is already claimed by {conflict.first}"
            yield Result("plugin", "registering", "fail", reason)
    yield from _references(name, registry)
    for identity, entry in registry.module_types.items():
        if registry.module_types.origin(identity).plugin == name:
            yield from _module_type(entry, registry)


def _references(name: str, registry: Registry) -> Iterator[Result]:
    """Every implementation that an entry names can be imported."""
    for section in registry.sections():
        for identity in section:
            if section.origin(identity).plugin == name:
                for reference in _named(section[identity], REFERENCES.get(section.name, ())):
                    result = _result(identity, "implementation", partial(_importable, reference))
                    if result.outcome == "fail":
                        yield result


def _importable(reference: str) -> str:
    import_reference(reference)
    return ""


def _named(entry: Any, attributes: tuple[str, ...]) -> Iterator[str]:
    for attribute in attributes:
        value = getattr(entry, attribute)
        yield from value.values() if hasattr(value, "values") else [value] if value else []


def _module_type(entry: ModuleType, registry: Registry) -> Iterator[Result]:
    try:
        configs = list(configs_of(entry))
    except Failure as failure:
        yield Result(entry.id, "config", "fail", str(failure))
        return
    except Exception as error:  # signature functions are a plugin's code
        yield Result(entry.id, "config", "fail", f"its signature raises {type(error).__name__}: {error}")
        return
    for config in configs:
        build = Build(entry, config)
        for name, method in entry.methods.items():
            yield from _method(Case(build, name, method, registry.kinds))
        if entry.generation is not None:
            yield from _generation(generation_case(build, registry.kinds))


def _generation(case: Case) -> Iterator[Result]:
    steps = _result(str(case), "generation", partial(check_generation, case))
    yield steps
    if steps.outcome == "pass":
        yield _result(str(case), "export", partial(check_generation_export, case))


def _method(case: Case) -> Iterator[Result]:
    subject = str(case)
    signature = _result(subject, "signature", partial(check_signature, case))
    yield signature
    if signature.outcome == "skip":  # no tensor can be made for one check, so none can for the others
        return
    if signature.outcome == "fail":
        # What would follow from a method that cannot be called as declared says nothing new.
        yield from (Result(subject, name, "skip", "the signature was not proven") for name, _ in PROMISES)
        return
    for name, check in PROMISES:
        yield _result(subject, name, partial(check, case))


def _result(subject: str, name: str, check: Callable[[], str]) -> Result:
    """Run one check. Whatever a plugin's code raises is a broken promise, not a crash of the kit."""
    try:
        return Result(subject, name, "pass", check())
    except Skip as skip:
        return Result(subject, name, "skip", str(skip))
    except Failure as failure:
        return Result(subject, name, "fail", str(failure))
    except Exception as error:
        cause = " ".join(str(error).split())
        return Result(subject, name, "fail", f"raises {type(error).__name__}: {cause[:300]}")
