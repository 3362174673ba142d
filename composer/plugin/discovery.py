"""Loading plugins from the entry-point group `composer`: a call, never an import side effect."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path

import pluggy

from composer.interruptions import is_interruption, telling_interruptions
from composer.plugin import hooks
from composer.plugin.asking import fault_of, place_of_fault, unchanged
from composer.plugin.registry import BrokenPlugin, Conflict, Origin, Register, Registry
from composer.plugin.surroundings import kept

__all__ = ["Installed", "installed_plugins", "load_registry"]

VARIABLE = "COMPOSER_PLUGINS"


@dataclass(frozen=True)
class Installed:
    """A plugin as its package's metadata tell of it."""

    origin: Origin
    value: str
    """What its entry point names: `package.module`, or `package.module:object`."""
    load: Callable[[], object]

    @property
    def module(self) -> str:
        return self.value.partition(":")[0].strip()


class _HookError(Exception):
    """A plugin that can be imported and offers nothing."""


def load_registry(extra: Iterable[tuple[str, object]] = (), *, only: Iterable[str] | None = None) -> Registry:
    """Load every installed plugin, then `extra` ones given as (name, object with `composer_register`).

    `only`, or the environment variable `COMPOSER_PLUGINS` (names split by commas; empty means none), restricts the
    installed ones. A plugin that fails is recorded in `registry.broken`; nothing is raised.
    """
    registry = Registry()
    allowed = _allowed(only)
    for plugin in installed_plugins():
        if allowed is None or plugin.origin.plugin in allowed:
            _register_one(registry, plugin)
    for name, given in extra:
        module = getattr(given, "__name__", "")
        _register_one(registry, Installed(Origin(name), module, partial(unchanged, given)))
    return registry


def installed_plugins() -> list[Installed]:
    """Every plugin that a package offers, first-party ones first. A package whose metadata are damaged offers one that
    cannot be loaded, under the package's name.
    """
    try:
        titles: dict[object, str] = {}
        points = [_installed(point, titles) for point in entry_points(group=hooks.PROJECT)]
    except Exception:  # one package's unreadable metadata spoil the whole question
        points = list(_one_by_one())
    return sorted(points, key=lambda each: (not each.value.startswith("composer_"), each.origin.plugin))


def _one_by_one() -> Iterator[Installed]:
    from importlib.metadata import distributions

    seen: set[str] = set()
    for distribution in distributions():
        name = _name_of(distribution)
        if name in seen:
            continue
        seen.add(name)
        try:
            found = [point for point in distribution.entry_points if point.group == hooks.PROJECT]
        except Exception as error:
            reason = fault_of(error)
            yield Installed(Origin(name, name), "", _raising(f"its entry points cannot be read: {reason}"))
            continue
        yield from (_installed(point, {}) for point in found)


def _name_of(distribution: Distribution) -> str:
    folder: Path = getattr(
        distribution, "_path", Path("a package without a name")
    )  # no public name leads to it
    try:
        return str(distribution.metadata["Name"] or folder.stem.partition("-")[0])
    except Exception:  # metadata of a foreign package, in whatever state
        return str(folder)


def _raising(reason: str) -> Callable[[], object]:
    def load() -> object:
        raise _HookError(reason)

    return load


def _installed(point: EntryPoint, titles: dict[object, str]) -> Installed:
    """A plugin by its entry point. `titles` keeps those of distributions, since many points may be of one."""
    if point.dist not in titles:
        titles[point.dist] = _title(point.dist)
    return Installed(Origin(point.name, titles[point.dist]), point.value, point.load)


def _title(distribution: Distribution | None) -> str:
    """Name and version of a distribution; nothing where its metadata lack one of them."""
    if distribution is None:
        return ""
    try:
        metadata = distribution.metadata
        return f"{metadata['Name']} {metadata['Version']}"
    except Exception:
        return ""


def _allowed(only: Iterable[str] | None) -> frozenset[str] | None:
    if only is not None:
        return frozenset(only)
    value = os.environ.get(VARIABLE)
    return None if value is None else frozenset(name.strip() for name in value.split(",") if name.strip())


def _register_one(registry: Registry, installed: Installed) -> None:
    """Run one plugin's hook against a registry of its own checks; a failure leaves the rest untouched."""
    origin = installed.origin
    if origin.plugin in registry.plugins:
        registry.conflicts.append(Conflict("plugins", origin.plugin, registry.plugins[origin.plugin], origin))
        return
    register = Register(registry, origin)
    try:
        with telling_interruptions(), kept():
            _run_hook(installed, register)
    # A plugin is foreign code: whatever it raises, sys.exit included, is its own fault and reported as such.
    except BaseException as error:
        if is_interruption(error):
            raise
        registry.broken.append(_broken(installed, register, error))
    else:
        register.commit()
        registry.plugins[origin.plugin] = origin


def _run_hook(installed: Installed, register: Register) -> None:
    plugin = installed.load()
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    manager.register(plugin, name=installed.origin.plugin)
    manager.check_pending()
    if not manager.get_hookcallers(plugin):
        raise _HookError(
            "its `composer_register` is not marked: write `@hookimpl` above it"
            if hasattr(plugin, "composer_register")
            else "it has no hook: write a function `composer_register(register)` marked with `@hookimpl`"
        )
    for answer in manager.hook.composer_register(register=register):
        if hasattr(answer, "send") or hasattr(answer, "asend"):  # its lines have not run
            if hasattr(answer, "close"):
                answer.close()
            raise _HookError(
                "its `composer_register` is a generator or `async`, of which nobody runs a line: write a plain function"
            )


def _broken(installed: Installed, register: Register, error: BaseException) -> BrokenPlugin:
    message = str(error) if isinstance(error, _HookError) else _message(installed, error)
    where = "" if isinstance(error, (_HookError, SyntaxError)) else place_of_fault(error)
    return BrokenPlugin(installed.origin, message, _traceback(error), where, installed.module, register.ids)


def _message(installed: Installed, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == installed.module:
        return f"its entry point names the module `{installed.module}`, which is not there"
    if isinstance(error, AttributeError) and not _in_plugin(error):
        return f"its entry point `{installed.value}` names nothing that is there: {error}"
    return f"it {fault_of(error)}"


def _in_plugin(error: BaseException) -> bool:
    return bool(place_of_fault(error))


def _traceback(error: BaseException) -> str:
    """The traceback; without one where an exception cannot even be written."""
    try:
        return "".join(traceback.format_exception(error))
    except Exception:
        return f"{type(error).__name__}\n"
