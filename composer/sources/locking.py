"""What a lock holds of a document as it is now: the plugins that it uses, and its weight files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from composer.graph import Checked
from composer.graph.checked import Read
from composer.sources.choosing import Chosen, ChosenSources, adapters_of
from composer.sources.located import Located, locate
from composer.sources.lock_file import Lock, LockedWeights

__all__ = ["called_modules", "lock_of", "plugins_of", "source_text"]


def called_modules(report: Checked) -> tuple[str, ...]:
    """The declared modules that any task calls, and the adapters that it calls them with, in the document's order."""
    called = {
        name
        for task in report.tasks.values()
        for node in task.nodes.values()
        if not node.is_in_place
        for name in (node.module.name, node.part)
    }
    adapters = adapters_of(report)
    return tuple(name for name in (*report.modules, *adapters) if name in called)


def lock_of(
    report: Checked, choice: ChosenSources, progress: Callable[[str], object] = lambda line: None
) -> Lock:
    """What a document means now: every source is found, fetched where it is on the Hub, and its digest taken.

    Raises InputError where a file is not there.
    """
    found = []
    for chosen in choice.sources:
        located = locate(chosen.declared)
        located.hold_digest()
        progress(f"{located.name}: {', '.join(chosen.modules)}")
        found.append(_entry(chosen, located))
    fresh = [LockedWeights(modules=[name], source="fresh") for name in choice.fresh]
    return Lock(
        document=report.name,
        language=report.document.shape.composer,
        plugins=dict(sorted(plugins_of(report).items())),
        weights=[*found, *fresh],
    )


def _entry(chosen: Chosen, located: Located) -> LockedWeights:
    declared = chosen.declared
    return LockedWeights(
        modules=list(chosen.modules),
        source=source_text(chosen),
        layout=declared.layout,
        root=declared.root,
        prefix=declared.prefix,
        commit=located.commit,
        files=dict(located.digests),
    )


def source_text(chosen: Chosen) -> str:
    """A source in words that mean the same on another machine."""
    declared = chosen.declared
    if declared.sort == "file" and (chosen.document is not None or Path(declared.file).is_absolute()):
        return Path(declared.file).name
    return str(declared)


def plugins_of(report: Checked) -> dict[str, str]:
    """The plugins that offer what a document uses, with the packages that bring them."""
    registry = report.registry
    used: list[tuple[str, str]] = []
    for module in report.modules.values():
        used.append(("module_types", module.type.id))
        if module.weights is not None and module.weights.layout:
            used.append(("layouts", module.weights.layout))
    for task in report.tasks.values():
        used += [("modalities", item.modality.id) for item in task.inputs.values()]
        for node in task.nodes.values():
            reads = isinstance(
                node.callee, Read
            )  # its type is made of a modality, and no plugin registers it
            used.append(("modalities" if reads else "module_types", node.module.type.id))
            if node.generates:
                used.append(("policies", node.decoding.search.policy.id))
    origins = (getattr(registry, section).origin(id) for section, id in dict.fromkeys(used))
    return {origin.plugin: origin.distribution for origin in origins}
