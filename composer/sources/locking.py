"""What a lock holds of a document as it is now: the plugins that it uses, and its weight files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from composer.graph import Checked
from composer.graph.checked import Read
from composer.sources.choosing import Chosen, ChosenSources, adapters_of
from composer.sources.found_source import FoundSource, find_source
from composer.sources.lock_file import Lock, LockedWeights

__all__ = ["base_text", "called_modules", "lock_of", "plugins_of", "source_text"]


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
        source = find_source(chosen, report.registry)
        progress(f"{source.located.name}: {', '.join(chosen.modules)}")
        found.append(_entry(source, source_text(chosen)))
    fresh = [LockedWeights(modules=[name], source="fresh") for name in choice.fresh]
    return Lock(
        document=report.name,
        language=report.document.shape.composer,
        plugins=dict(sorted(plugins_of(report).items())),
        weights=[*found, *fresh],
    )


def _entry(source: FoundSource, said: str) -> LockedWeights:
    declared, located = source.chosen.declared, source.located
    return LockedWeights(
        modules=list(source.chosen.modules),
        source=said,
        layout=declared.layout,
        root=declared.root,
        prefix=declared.prefix,
        commit=located.commit,
        files=dict(located.digests),
        trained_on=[_entry(base, base_text(base.chosen)) for base in source.below],
    )


def source_text(chosen: Chosen) -> str:
    """A source in words that mean the same on another machine."""
    declared = chosen.declared
    if declared.sort == "file" and (chosen.document is not None or Path(declared.file).is_absolute()):
        return Path(declared.file).name
    return str(declared)


def base_text(chosen: Chosen) -> str:
    """What was trained on, in such words: a file by its name, for a checkpoint finds it wherever both lie."""
    declared = chosen.declared
    return Path(declared.file).name if declared.sort == "file" else str(declared)


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
