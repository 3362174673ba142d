"""Proposals as a readable list."""

from __future__ import annotations

from composer.views.proposing.proposals import Proposal, Proposals

__all__ = ["proposals_text"]

SETS = (
    "The best of each set of modules first, then the second best: what joins its inputs last, with layers that several",
    "inputs share. Sets in the order of their {by}.",
)
ORDERED = "The fewest parameters first."
EXAMPLES = "Each of these documents checks; sizes are those of examples, to be set to what your data needs."


def proposals_text(proposals: Proposals, *, by_parameters: bool = False) -> str:
    """Every proposal with its modules in one line, and its nodes in a line each; `by_parameters` is how they stand."""
    ends = f"{' + '.join(proposals.inputs)} → {' + '.join(proposals.goals)}"
    head = f"{ends}: {len(proposals.found)} shown, {proposals.looked_at:,} flows looked at"
    blocks = [head, *(_block(number, each) for number, each in enumerate(proposals.found, 1))]
    counted = all(each.parameters is not None for each in proposals.found)
    order = "\n".join(SETS).format(by="parameters" if counted else "modules")
    return "\n\n".join([*blocks, f"{ORDERED if by_parameters else order}\n{EXAMPLES}"])


def _block(number: int, proposal: Proposal) -> str:
    modules = ", ".join(
        type_id + (f" (called {calls} times)" if calls > 1 else "")
        for type_id, calls in proposal.modules.items()
    )
    cost = "" if proposal.parameters is None else f", {proposal.parameters:,} parameters"
    lines = [
        *proposal.document.node_lines,
        *(f"objective: {each}" for each in proposal.document.objective_lines),
    ]
    nodes = "\n".join(f"     {line}" for line in lines)
    return f"{number:>2}. {modules or 'no weights'}{cost}\n{nodes}"
