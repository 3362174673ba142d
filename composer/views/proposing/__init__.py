"""Whole documents that lead from some modalities to some kinds, found among the registered module types. Torch-free."""

from composer.views.proposing.proposals import Proposal, Proposals, propose
from composer.views.proposing.proposals_text import proposals_text

__all__ = ["Proposal", "Proposals", "proposals_text", "propose"]
