"""Faults of plugins as problems: what a plugin's function did, at the line of the document that needs it."""

from __future__ import annotations

from composer.plugin.asking import PluginError
from composer.problems import Findings, Place, Problem

__all__ = ["report_fault"]


def report_fault(findings: Findings, error: PluginError, place: Place) -> None:
    """C303, once however many lines of a document meet the fault: the first is told."""
    at = f", in {error.where}" if error.where else ""
    helps = (f"this is a fault of the plugin{at}; report it to its author",)
    problem = Problem("C303", "error", f"{error.what} {error.fault}", place, helps=helps)
    findings.add(problem, ("C303", error.fault, error.where))
