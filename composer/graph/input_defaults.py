"""What stands for an input that a sample comes without: what the document gives, or else what its modality says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.language import InputShape
from composer.plugin import Config, Modality
from composer.plugin.asking import unchanged
from composer.problems import Problem, YamlPath

if TYPE_CHECKING:
    from composer.graph.callees import Callees

__all__ = ["default_of"]


def default_of(
    callees: Callees, item: InputShape, modality: Modality, config: Config, path: YamlPath
) -> object:
    """The raw value of a sample without one, or None: each brings its own, or C274 says what is wrong."""
    owner, at = f"modality {modality.id}", (*path, "modality")
    if item.optional or item.repeated is not None:
        if item.default is not None:
            way = "optional" if item.optional else "repeated"
            _tell(
                callees,
                path,
                f"an input is `{way}` or has a `default`, not both",
                f"remove `{way}`: with a `default` a sample may come without a value",
            )
        return None
    if item.default is None:
        assert modality.default is not None
        what = f"`default` of {modality.title}"
        return callees.asked(modality.default, (config,), at, what, unchanged, owner)
    if modality.names_files:
        _tell(
            callees,
            path,
            f"a value of `{modality.id}` is a file, which a document does not bring",
            "write `optional: true`, so that a sample may come without one",
        )
        return None
    if modality.refuses is not None:
        what = f"`refuses` of {modality.title}"
        fault = callees.asked(modality.refuses, (config, item.default), at, what, str, owner)
        if fault is None:
            return None
        if fault:
            _tell(callees, path, f"`{modality.id}` does not take this value: {fault}")
            return None
    return item.default


def _tell(callees: Callees, path: YamlPath, message: str, *helps: str) -> None:
    place = callees.document.tree.place((*path, "default"))
    callees.findings.add(Problem("C274", "error", message, place, helps=helps))
