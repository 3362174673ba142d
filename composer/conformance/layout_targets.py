"""The promise of a layout that names its document: what its rules make of published names are parameters there."""

from __future__ import annotations

from composer.conformance.report import Failure
from composer.execution.filling import modules_to_fill
from composer.plugin.declarations import Layout
from composer.plugin.registry import Registry
from composer.problems import ComposerError, nearest
from composer.weights.key_rules import KeyRules

__all__ = ["check_targets"]


def check_targets(layout: Layout, registry: Registry) -> str:
    """Each of its `keys` comes to a parameter or a buffer of the modules of its `document`, or is ignored."""
    config = layout.configs[0] if layout.configs else None
    try:
        report, modules = modules_to_fill(layout.document, registry, layout, config)
    except ComposerError as error:
        reason = str(error).splitlines()[0]
        raise Failure(f"its `document` {layout.document!r} gives no modules to fill: {reason}") from None
    assert report.document is not None
    rules = KeyRules(layout, dict(report.document.parameters))
    known = [f"{name}.{part}" for name, module in modules.items() for part in module.state_dict()]
    for key in layout.keys:
        found, _ = rules.apply(key)
        if found is None or found.spare or found.target in known:
            continue
        close = nearest(found.target, known)
        raise Failure(
            f"{key!r}, one of its `keys`, comes to {found.target!r}, which no module of {layout.document!r} has"
            + (f": did you mean {close!r}?" if close else "")
        )
    return ""
