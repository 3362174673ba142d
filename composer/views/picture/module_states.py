"""What a picture says of a module beside its type: what is frozen, its adapters, and where its weights come from."""

from __future__ import annotations

from composer.graph import CheckedModule, CheckedNode
from composer.views.labels import training_text, value_text

__all__ = ["adapter_text", "states_of"]

MOST = 30
"""Characters of a source or of what is frozen that stand in a box; the legend and the tooltip have all of them."""


def states_of(module: CheckedModule, *, short: bool = False) -> list[str]:
    """`frozen; adapters: titles` and `weights: towers.safetensors`, as far as the document says it.

    `short` is for a box, which says its adapter in the line above.
    """
    trained = training_text(module)
    if short:
        trained = "; ".join(part for part in trained.split("; ") if not part.startswith("adapters: "))
    weights = "" if module.weights is None else f"weights: {module.weights}"
    said = [text for text in (trained, weights) if text]
    return [_clipped(text) for text in said] if short else said


def adapter_text(node: CheckedNode) -> str:
    """`titles: rank 8, alpha 16, targets query, value`."""
    name = node.callee.adapter
    config = node.module.adapters[name].config
    given = config.model_dump(mode="json", exclude_unset=True)
    return f"{name}: {', '.join(f'{key} {value_text(value)}' for key, value in {'rank': config.rank, **given}.items())}"


def _clipped(text: str) -> str:
    return text if len(text) <= MOST else f"{text[: MOST - 1]}…"
