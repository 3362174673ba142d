"""The checker: a document to a report with every problem, in source order, without a weight or torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from composer.graph.callees import Callees
from composer.graph.checked import CheckedModule, CheckedTask, Report
from composer.graph.configs import ConfigReader
from composer.graph.edges import EdgeChecker
from composer.graph.faults import EdgeFaults
from composer.graph.solver import Solver
from composer.graph.tasks import TaskChecker
from composer.graph.vocabularies import Vocabularies
from composer.language import (
    Library,
    Resolved,
    Source,
    collector_paused,
    find_source,
    resolve,
    text_for_display,
)
from composer.plugin import Registry, load_registry
from composer.plugin.answers import as_signature
from composer.plugin.asking import ask
from composer.problems import ComposerError, DocumentError, Effect, Findings, Place, Problem
from composer.types import Symbol

__all__ = ["check", "check_resolved", "library_of"]


def check(
    document: str | Path | Source,
    *,
    registry: Registry | None = None,
    settings: Mapping[str, object] | None = None,
    unsaved: Mapping[Path, str] | None = None,
) -> Report:
    """Check a document given by path, by shipped name, or as a `Source`. Never raises for what the document holds.

    Args:
        document: `"my.yaml"`, `"mplug2"`, or `Source("name", text)`.
        registry: what the plugins offer; loaded from the installed ones when left out.
        settings: parameter overrides, as `--set` gives them.
        unsaved: texts of files, by resolved path, that a document extends and that are not read from the disk.
    """
    registry = registry if registry is not None else load_registry()
    library = replace(library_of(registry), unsaved=unsaved or {})
    try:
        source = document if isinstance(document, Source) else find_source(document, library)
    except DocumentError as error:
        return Report(
            error.problems, error.sources or _sources_of(document), str(document), registry=registry
        )
    try:
        resolved = resolve(source, library, settings)
    except DocumentError as error:
        from composer.graph.recovering import as_far_as_known

        known = DocumentError(error.problems, error.sources or {source.name: source.text})
        return as_far_as_known(known, source, library, settings, registry)
    return check_resolved(resolved, registry)


def check_resolved(document: Resolved, registry: Registry) -> Report:
    """Check a resolved document against what the plugins offer."""
    with collector_paused():
        return _check_resolved(document, registry)


def _check_resolved(document: Resolved, registry: Registry) -> Report:
    findings = document.findings.copy()
    reader = ConfigReader(document.tree, dict(document.parameter_places), findings, document.directories)
    reader.files = tuple(name for name in document.sources if not name.startswith("<"))
    reader.removed = document.removed
    vocabularies = Vocabularies(document, findings)
    callees = Callees(document, registry, reader, findings, vocabularies)
    callees.declare_modules()
    solver = Solver()
    first_calls: dict[Symbol, tuple[Place, str]] = {}
    faults = EdgeFaults(findings)
    tasks: dict[str, CheckedTask] = {}

    def new_edges() -> EdgeChecker:
        own = Solver(solver.solved, solver.ranges)
        return EdgeChecker(document, registry, own, findings, vocabularies, faults, first_calls)

    if document.shape.pieces:
        from composer.graph.pieces import Pieces

        callees.pieces = Pieces(callees, new_edges, lambda: _forget_local(solver))
        callees.pieces.check_all()
    for name, shape in document.shape.tasks.items():
        tasks[name] = TaskChecker(name, shape, callees, new_edges(), findings).run()
        _forget_local(solver)
    faults.settle()
    _settle_types(tasks, solver)
    _infer_widths(callees, solver, findings)
    _warn_uncalled(document, callees)
    holds_something = document.shape.tasks or document.shape.modules or document.shape.pieces
    if not holds_something and not findings.failed:
        place, helps = document.tree.place(()), ("add a `tasks:` map",)
        findings.add(Problem("C110", "error", "the document has no tasks", place, helps=helps))
    problems = _told(findings, document, reader)
    return Report(problems, document.sources, document.name, document, callees.modules, tasks, registry)


def _told(findings: Findings, document: Resolved, reader: ConfigReader) -> tuple[Problem, ...]:
    """The problems as people read them: each cause once, in the order of the files."""
    if not findings:
        return ()
    from composer.graph.telling import in_source_order, told_once

    problems = list(findings)
    if reader.refusals:
        from composer.graph.parameter_blame import folded

        youngest = document.tree.root.start_mark.name
        problems = folded(problems, reader.refusals, reader.parameter_places, youngest)
    return tuple(in_source_order(told_once(problems, document), document))


def library_of(registry: Registry) -> Library:
    """The documents that plugins ship, as the language needs them."""
    return Library({name: entry.path for name, entry in registry.documents.items()})


def _forget_local(solver: Solver) -> None:
    """Symbols of a task end with it; those that a module's weights fix go on, without what they owe to the task."""
    lasting = {s: solver.normal(dim) for s, dim in solver.solved.items() if s.lasting}
    solver.solved.clear()
    solver.solved.update(
        {s: dim for s, dim in lasting.items() if all(other.lasting for other in dim.symbols)}
    )
    for symbol in [s for s in solver.ranges if not s.lasting]:
        del solver.ranges[symbol]


def _settle_types(tasks: Mapping[str, CheckedTask], solver: Solver) -> None:
    """Put what later tasks taught about a module's widths into the types of earlier ones."""
    if not solver.solved:
        return
    for task in tasks.values():
        for table in (task.types, task.wanted):
            for endpoint, port in table.items():
                if any(symbol.lasting for dim in port.dims for symbol in dim.symbols):
                    table[endpoint] = replace(port, dims=tuple(solver.normal(dim) for dim in port.dims))


def _infer_widths(callees: Callees, solver: Solver, findings: Findings) -> None:
    """Fill config fields that were left open with what the calls of the module agree on."""
    for module in callees.modules.values():
        values = {}
        for symbol, field in _fixed_of(module).items():
            if getattr(module.config, field) is not None:
                continue
            solved = solver.solved.get(Symbol(symbol, module.name, lasting=True))
            if solved is not None and solved.is_number:
                values[field] = solved.constant
            elif module.name in callees.called and not findings.failed:
                message = f"{field} of module `{module.name}` cannot be told from its calls"
                place = callees.document.tree.place((*module.path, "uses"))
                helps = (f"write `{field}` in its `with`",)
                findings.add(Problem("C206", "error", message, place, helps=helps))
        if values:
            module.config = module.config.model_copy(update=values)
    for module in callees.modules.values():
        if module.average is not None:
            from composer.graph.moving_averages import hold_like_followed

            hold_like_followed(callees, module)


def _fixed_of(module: CheckedModule) -> Mapping[str, str]:
    fixed: dict[str, str] = {}
    for method in module.type.methods.values():
        if method.options is None:
            try:
                accept = as_signature(module.config)
                found = ask(method.signature, module.config, what=module.type.title, accept=accept)
            except ComposerError:  # a failing signature has its own problem (C303) where it is called
                continue
            fixed.update(found.fixed)
    return fixed


def _warn_uncalled(document: Resolved, callees: Callees) -> None:
    if callees.findings.has(Effect.UNSETTLES) or not document.shape.tasks:
        return
    for name in document.shape.modules:
        if name not in callees.called:
            message = f"module `{name}` is never called"
            place = document.tree.place(("modules", name), key=True)
            helps = ("call it from a task, or remove it",)
            callees.findings.add(Problem("C217", "warning", message, place, helps=helps))
    if any(module.adapters for module in document.shape.modules.values()):
        from composer.graph.adapted_modules import warn_unused_adapters

        warn_unused_adapters(callees)
    if callees.pieces is not None:
        callees.pieces.warn_unused()


def _sources_of(document: str | Path | Source) -> dict[str, str]:
    if isinstance(document, Source):
        return {document.name: document.text}
    text = text_for_display(Path(document))
    return {} if text is None else {str(document): text}
