"""The `LICENSES.txt` of an artifact: whose code made it, and what it does not say."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, metadata

from composer.plugin import Registry

__all__ = ["licenses_text"]


def licenses_text(registry: Registry, module_types: Iterable[str]) -> str:
    """One line per distribution whose module types the programs were made of."""
    origins = {registry.module_types.origin(name) for name in module_types if name in registry.module_types}
    names = {origin.distribution.rpartition(" ")[0] for origin in origins if origin.distribution}
    lines = [
        "The programs in this artifact were made from the code of these packages:",
        "",
        *(f"- {name}: {_license(name)}" for name in sorted(names | {"torch"})),
        "",
        "The weights come from the checkpoint that was compiled, and vocabularies from the files that the document",
        "names: their own licenses apply to them, and to what you do with this artifact.",
    ]
    return "\n".join(lines) + "\n"


def _license(distribution: str) -> str:
    try:
        found = metadata(distribution)
    except PackageNotFoundError:
        return "license unknown"
    fields = {name: found[name] for name in ("License-Expression", "License") if name in found}
    return fields.get("License-Expression") or fields.get("License", "see the package").splitlines()[0]
