"""Sources of weights: which one each module takes, where it lies on this machine, and what a lock holds of it.

Reads no weights and imports no torch.
"""

from composer.sources.choosing import Chosen, ChosenSources, choose
from composer.sources.given import INITIAL, GivenNames, GivenWeights

__all__ = ["INITIAL", "Chosen", "ChosenSources", "GivenNames", "GivenWeights", "choose"]
