"""Proposals as a readable list."""

from __future__ import annotations

from composer.views.proposing.proposals import Proposal, Proposals

__all__ = ["proposals_text"]

RANKED = (
    "Ranked by modules: one that is called twice counts half for each call, a call without weights a quarter. Each of",
    "these documents checks; sizes are those of examples, to be set to what your data needs.",
)
COUNTED = (
    "Ranked by parameters at these sizes, which are those of examples. Each of these documents checks.",
)


def proposals_text(proposals: Proposals, *, counted: bool = False) -> str:
    """Every proposal with its modules in one line, and its nodes in a line each."""
    ends = f"{' + '.join(proposals.inputs)} → {' + '.join(proposals.goals)}"
    head = f"{ends}: {len(proposals.found)} shown, {proposals.looked_at:,} flows looked at"
    blocks = [head, *(_block(number, each) for number, each in enumerate(proposals.found, 1))]
    return "\n\n".join([*blocks, "\n".join(COUNTED if counted else RANKED)])


def _block(number: int, proposal: Proposal) -> str:
    modules = ", ".join(
        type_id + (f" (called {calls} times)" if calls > 1 else "")
        for type_id, calls in proposal.modules.items()
    )
    cost = "" if proposal.parameters is None else f", {proposal.parameters:,} parameters"
    nodes = "\n".join(f"     {line}" for line in proposal.document.node_lines)
    return f"{number:>2}. {modules or 'no weights'}{cost}\n{nodes}"
