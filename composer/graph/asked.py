"""Signatures that no node has asked for, to name what else would fit. A fault there is no matter of the document."""

from __future__ import annotations

from collections.abc import Callable

from composer.plugin import Config, ModuleType
from composer.plugin.answers import as_signature
from composer.plugin.asking import ask, unchanged
from composer.problems import ComposerError
from composer.types import Signature

__all__ = ["default_signature", "signature_of"]


def signature_of(function: Callable[..., object], config: Config) -> Signature | None:
    """The signature of a method without options; None where the plugin gives none."""
    try:
        return ask(function, config, what="a signature", accept=as_signature(config))
    except ComposerError:
        return None


def default_signature(entry: ModuleType) -> Signature | None:
    """What a type without weights takes and gives as it is by default; None where it needs a config."""
    if not entry.stateless or "forward" not in entry.methods:
        return None
    try:
        config: Config = ask(entry.config, what="a config", accept=unchanged)
    except ComposerError:  # it has required options, or is a plugin's that fails
        return None
    return signature_of(entry.methods["forward"].signature, config)
