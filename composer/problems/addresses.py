"""Addresses in the place of paths: nothing here is fetched, so the message must not look for a file of that name."""

from __future__ import annotations

import os
import re

__all__ = ["NOT_FETCHED", "is_address"]

NOT_FETCHED = "it is an address, and nothing is fetched"

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""A scheme has two letters at least (`C:/` is a drive); a path keeps one slash of the two."""


def is_address(path: str | os.PathLike[str]) -> bool:
    """Whether a path that leads nowhere is an address, such as `https://...`, `s3://...` or `file:///...`."""
    return _ADDRESS.match(os.fspath(path)) is not None
