"""The libraries that metrics compute with, imported when one scores."""

from __future__ import annotations

from typing import Any

from composer.problems import InputError

__all__ = ["scikit_learn", "scipy_stats"]

CURE = 'pip install "multimodal-composer[metrics]"'


def scikit_learn(metric: str) -> Any:
    """`sklearn.metrics`. Raises InputError where it is not installed."""
    try:
        import sklearn.metrics
    except ImportError:
        raise InputError(
            f"metric `{metric}` computes with scikit-learn, which is not installed: {CURE}"
        ) from None
    return sklearn.metrics


def scipy_stats(metric: str) -> Any:
    """`scipy.stats`, which scikit-learn brings. Raises InputError where it is not installed."""
    try:
        import scipy.stats
    except ImportError:
        raise InputError(f"metric `{metric}` computes with SciPy, which is not installed: {CURE}") from None
    return scipy.stats
