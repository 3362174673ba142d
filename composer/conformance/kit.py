"""Checking a plugin: every promise of every entry, none left out because another is broken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType as PythonModule
from typing import TypeVar

from composer.conformance.cases import Build, MethodCase, configs_of, import_reference
from composer.conformance.datasets import check_dataset, skip_missing_package, skip_missing_packages
from composer.conformance.declared import check_adapter, check_config, check_document, check_kind, check_ports
from composer.conformance.device_constants import check_device, check_half_precision
from composer.conformance.entry_module import check_entry_module
from composer.conformance.export import check_export
from composer.conformance.field_reads import Configured, FieldReads
from composer.conformance.generation_checks import (
    check_generation,
    check_generation_export,
    generation_case,
)
from composer.conformance.layout_targets import check_targets
from composer.conformance.layouts import check_parameters, check_rules, check_transforms
from composer.conformance.limits import check_limits, has_limits
from composer.conformance.low_rank_promise import adaptable, check_adapted_generation, check_adapters
from composer.conformance.metrics import check_metric
from composer.conformance.modalities import check_processor
from composer.conformance.padding import check_padding
from composer.conformance.policies import check_policy
from composer.conformance.promises import check_batch, check_determinism, check_signature
from composer.conformance.purity import check_purity
from composer.conformance.report import ConformanceReport, Failure, Result, Skip
from composer.conformance.shared_state import KEEPS_RUNNING, SharedState
from composer.conformance.state_dicts import check_weights
from composer.conformance.text_rows import check_text_rows, takes_texts
from composer.conformance.train_mode import check_training
from composer.plugin.asking import PluginError, fault_of, place_of_fault
from composer.plugin.declarations import Dataset, Modality, ModuleType
from composer.plugin.discovery import Installed, installed_plugins, load_registry
from composer.plugin.libraries import as_id
from composer.plugin.registry import Entry, Registry, Section
from composer.problems.suggest import unknown

__all__ = ["check_plugin"]

T = TypeVar("T", bound=Entry)
RUNS = ("signature", "generation", "processor", "search", "samples", "score")
"""The checks that run an entry: where one is skipped, less of it was seen than there is."""

PROMISES: tuple[tuple[str, Callable[[MethodCase], str]], ...] = (
    ("batch", check_batch),
    ("padding", check_padding),
    ("determinism", check_determinism),
    ("purity", check_purity),
    ("device", check_device),
    ("half precision", check_half_precision),
    ("weights", check_weights),
    ("export", check_export),
)
"""What is checked of a method whose signature holds."""


def check_plugin(
    entry: str | object,
    *,
    only: Collection[str] = (),
    told: Callable[[Result], object] = lambda result: None,
) -> ConformanceReport:
    """Hold a plugin to what it declares.

    Args:
        entry: the name of an installed plugin (its entry point), or the plugin itself: a module or object with the hook
            `composer_register`, checked as if it were installed.
        only: ids of entries; nothing else of the plugin is held. told: is called with every result as it is found.

    Raises:
        InputError: no plugin of that name is installed, or it has no entry of such an id.
    """
    if isinstance(entry, str):
        name, module_name, given = entry, _installed(entry).module, []
    else:
        name = getattr(entry, "__name__", type(entry).__name__)
        module_name, given = entry.__name__ if isinstance(entry, PythonModule) else "", [(name, entry)]
    light = []
    if module_name and not only:
        light = [_result("plugin", "entry module", partial(check_entry_module, module_name))]
        if KEEPS_RUNNING in light[0].reason:  # loaded here, it would keep this process from ending, too
            told(light[0])
            return ConformanceReport(name, (*light,))
    registry = load_registry(given)
    held = _Held(name, frozenset(only))
    held.find_all(registry)
    results: list[Result] = []
    for result in _results(held, light, registry):
        told(result)
        results.append(result)
    return ConformanceReport(name, (*results, *_unheld(results)))


@dataclass(frozen=True)
class _Held:
    """What of a plugin is held: all that it registers, or the entries of some ids."""

    plugin: str
    only: frozenset[str]

    def of(self, section: Section[T]) -> Iterator[T]:
        """The entries of a section."""
        for id, entry in section.items():
            if section.origin(id).plugin == self.plugin and (not self.only or id in self.only):
                yield entry

    def find_all(self, registry: Registry) -> None:
        """Raise InputError for an id that the plugin has not."""
        own = [id for each in registry.sections() for id in each if each.origin(id).plugin == self.plugin]
        for id in sorted(self.only):
            if id not in own:
                raise unknown("entry", id, own, f"plugin `{self.plugin}`")


def _installed(name: str) -> Installed:
    plugins = {plugin.origin.plugin: plugin for plugin in reversed(installed_plugins())}
    if name not in plugins:
        owner = as_id(name).partition(".")[0]  # `core.beam` and `core/beam` are parts of a plugin
        raise unknown("installed plugin", name, sorted(plugins), likely=[owner] if owner in plugins else None)
    return plugins[name]


def _results(held: _Held, light: Sequence[Result], registry: Registry) -> Iterator[Result]:
    broken = [each for each in registry.broken if each.origin.plugin == held.plugin]
    if broken:
        yield Result("plugin", "registering", "fail", str(broken[0]))
        return
    yield from light
    yield from _registered(held, registry)
    unusable: set[str] = set()
    for result in _references(held, registry):
        unusable.add(result.subject)
        yield result
    yield from _declared(held, registry)
    for modality in held.of(registry.modalities):
        yield from _reading(modality, partial(_modality, registry=registry, unusable=unusable))
    yield from _run(held.of(registry.policies), "search", check_policy, unusable)
    yield from _run(held.of(registry.datasets), "samples", check_dataset, unusable)
    yield from _run(held.of(registry.metrics), "score", check_metric, unusable)
    yield from _layouts(held, registry, unusable)
    yield from _backends(held, registry, unusable)
    for entry in held.of(registry.module_types):
        yield from _failed(_result(entry.id, "config", partial(check_config, entry.config)))
        if entry.adapter is not None:
            yield _result(entry.id, "adapter", partial(check_adapter, entry, registry.kinds))
        yield from _reading(entry, partial(_module_type, registry=registry))


def _modality(modality: Modality, registry: Registry, unusable: Collection[str]) -> Iterator[Result]:
    yield from _failed(_result(modality.id, "config", partial(check_config, modality.config)))
    ports = _result(modality.id, "ports", partial(check_ports, modality, registry.kinds))
    yield ports
    if ports.outcome != "fail" and modality.id not in unusable:
        yield _result(modality.id, "processor", partial(check_processor, modality, registry.kinds))


def _reading(entry: Configured, check: Callable[[Configured], Iterator[Result]]) -> Iterator[Result]:
    """The results of an entry, and, where nothing else is wrong and all of it ran, those fields that nothing read."""
    reads, ran = FieldReads(entry.config), True
    watched = reads.of(entry)
    for result in check(watched):
        ran = ran and (result.outcome == "pass" or (result.outcome == "skip" and result.check not in RUNS))
        yield result
    if ran:
        yield from _failed(_result(entry.id, "fields", partial(reads.check, watched)))


def _declared(held: _Held, registry: Registry) -> Iterator[Result]:
    """What needs no implementation."""
    for kind in held.of(registry.kinds):
        yield _result(kind.id, "record", partial(check_kind, registry.kinds, kind))
    for document in held.of(registry.documents):
        yield _result(document.id, "document", partial(check_document, registry, document))


def _layouts(held: _Held, registry: Registry, unusable: Collection[str]) -> Iterator[Result]:
    for layout in held.of(registry.layouts):
        rules = _result(layout.id, "rules", partial(check_rules, layout))
        yield rules
        if layout.parameters is not None and rules.outcome == "pass":
            yield _result(layout.id, "parameters", partial(check_parameters, layout))
        if layout.document and layout.keys and rules.outcome == "pass":
            yield _result(layout.id, "targets", partial(check_targets, layout, registry))
        if (layout.transforms or layout.shapes) and layout.id not in unusable:
            yield _result(layout.id, "transforms", partial(check_transforms, layout))


def _backends(held: _Held, registry: Registry, unusable: Collection[str]) -> Iterator[Result]:
    for backend in held.of(registry.backends):
        if backend.id in unusable:
            continue
        for title, check in import_reference(backend.checks).items():
            result = _result(backend.id, title, partial(check, backend))
            yield result
            if result.outcome == "fail":  # what follows would ask the same faulty half
                break


def _registered(held: _Held, registry: Registry) -> Iterator[Result]:
    """What is wrong with the plugin as a whole: ids that others hold, or nothing at all."""
    conflicts = [conflict for conflict in registry.conflicts if conflict.second.plugin == held.plugin]
    for conflict in conflicts:
        reason = (
            f"{conflict.id!r} of {conflict.section} is already claimed by {conflict.first}: choose another id"
        )
        yield Result("plugin", "registering", "fail", reason)
    if held.plugin not in registry.plugins:
        reason = "it is not loaded: COMPOSER_PLUGINS leaves it out"
        yield Result("plugin", "registering", "fail", reason)
    elif not conflicts and not any(list(held.of(section)) for section in registry.sections()):
        reason = "it registers nothing: call `register(...)` in `composer_register`"
        yield Result("plugin", "registering", "fail", reason)


def _unheld(results: Sequence[Result]) -> Iterator[Result]:
    """A plugin of which nothing was held looks sound in a count, so it is said."""
    if all(result.outcome == "skip" or result.subject == "plugin" for result in results) and not any(
        result.outcome == "fail" for result in results
    ):
        reason = "nothing that it registers was held: each skipped check above says what it lacks"
        yield Result("plugin", "entries", "skip", reason)


def _run(
    entries: Iterator[Configured], title: str, check: Callable[[Configured], str], unusable: Collection[str]
) -> Iterator[Result]:
    """A check of each own entry, but of those whose implementation cannot be imported: that was told."""
    for entry in entries:
        if entry.id not in unusable:
            yield from _reading(entry, lambda each: iter([_result(each.id, title, partial(check, each))]))


def _failed(result: Result) -> Iterator[Result]:
    """A result that is only worth a line where the promise is broken."""
    if result.outcome == "fail":
        yield result


def _references(held: _Held, registry: Registry) -> Iterator[Result]:
    """Every implementation that an entry names can be imported: the results of those that cannot."""
    for section in registry.sections():
        for entry in held.of(section):
            for reference in _named(entry):
                result = _result(entry.id, "implementation", partial(_importable, entry, reference))
                if result.outcome != "pass":
                    yield result


def _importable(entry: Entry, reference: str) -> str:
    if isinstance(entry, Dataset):
        skip_missing_packages(entry)
    try:
        import_reference(reference)
    except Failure as failure:
        if isinstance(entry, Dataset):
            skip_missing_package(failure, reference)
        raise
    return ""


def _named(entry: object) -> Iterator[str]:
    for attribute in getattr(entry, "references", ()):  # a kind has no implementation
        value = getattr(entry, attribute)
        yield from value.values() if hasattr(value, "values") else [value] if value else []


def _module_type(entry: ModuleType, registry: Registry) -> Iterator[Result]:
    try:
        configs = list(configs_of(entry))
    except Failure as failure:
        yield Result(entry.id, "config", "fail", str(failure))
        return
    # Validators and signature functions are a plugin's code.
    except (Exception, SystemExit) as error:
        place = place_of_fault(error)
        reason = f"its config or signature {fault_of(error)}" + (f" ({place})" if place else "")
        yield Result(entry.id, "config", "fail", reason)
        return
    held: set[str] = set()
    refused: dict[str, str] = {}
    for number, config in enumerate(configs):
        build = Build(entry, config)
        is_first = number == 0  # adapters need no second config, and no second method to be exported with
        for name, method in entry.methods.items():
            case = MethodCase(build, name, method, registry.kinds)
            if case.refusal:
                refused[name] = case.refusal
                yield Result(str(case), "ports", "skip", f"this config does not have it: {case.refusal}")
                continue
            passed = set[str]()
            for result in _method(case):
                passed |= {result.check} if result.outcome == "pass" else set()
                yield result
            if is_first and "signature" in passed and adaptable(build.module):
                exports = not held and "export" in passed and not method.not_exportable
                yield _result(str(case), "adapters", partial(check_adapters, case, exports=exports))
            held.add(name)
        if entry.generation is not None:
            yield from _generation(generation_case(build, registry.kinds), adapters=is_first)
    for name in refused.keys() - held:
        reason = f"no example has this method ({refused[name]}): give one that does, or take it out"
        yield Result(f"{entry.id} {name}", "ports", "fail", reason)


def _generation(case: MethodCase, *, adapters: bool) -> Iterator[Result]:
    steps = _result(str(case), "generation", partial(check_generation, case))
    yield steps
    if steps.outcome == "pass":
        yield _result(str(case), "export", partial(check_generation_export, case))
        if adapters and adaptable(case.build.module):
            yield _result(str(case), "adapters", partial(check_adapted_generation, case))


def _method(case: MethodCase) -> Iterator[Result]:
    subject = str(case)
    if takes_texts(case):
        yield _result(subject, "texts", partial(check_text_rows, case))
        return
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
    yield from _failed(_result(subject, "training", partial(check_training, case)))
    if has_limits(case):
        yield _result(subject, "limits", partial(check_limits, case))


def _result(subject: str, name: str, check: Callable[[], str]) -> Result:
    """Run one check. Whatever a plugin's code raises is a broken promise, not a crash of the kit."""
    changed = ""
    for _ in range(2):
        shared = SharedState()
        result = _checked(subject, name, check)
        changed, drawn = shared.restore()
        if not changed or result.outcome == "fail":
            return result
        if not drawn:
            break  # a library that draws numbers where it is imported does so once: it is asked again
    return Result(subject, name, "fail", changed)


def _checked(subject: str, name: str, check: Callable[[], str]) -> Result:
    try:
        return Result(subject, name, "pass", check())
    except Skip as skip:
        return Result(subject, name, "skip", str(skip))
    except Failure as failure:
        return Result(subject, name, "fail", str(failure))
    except PluginError as error:
        return Result(subject, name, "fail", f"{error.fault}" + (f" ({error.where})" if error.where else ""))
    except (Exception, SystemExit) as error:
        place = place_of_fault(error)
        return Result(subject, name, "fail", fault_of(error) + (f" ({place})" if place else ""))
