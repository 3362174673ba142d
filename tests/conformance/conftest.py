"""The kit's own fixture, used here as a plugin author would."""

from composer.conformance.fixtures import check_conformance

__all__ = ["check_conformance"]
