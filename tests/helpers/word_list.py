"""The vocabulary of the small models that are compiled."""

from __future__ import annotations

__all__ = ["WORDS"]

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"abcdefghijklmnopqrstuvwxyz",
    "what",
    "is",
    "it",
    "red",
]
