"""Hashes of files: one of the whole, which people can compare, and those of a large file's parts.

Parts are what loading compares: several cores hash them at once, and reading a large file waits for nothing else.
Imports no torch.
"""

from __future__ import annotations

import hashlib
import os
from typing import IO

__all__ = ["PART_BYTES", "cores", "digests", "is_hash", "parts_of"]

PART_BYTES = 1 << 25


def is_hash(content: bytes | memoryview, known: str) -> bool:
    """Whether SHA-256 of a content is this, in hexadecimal."""
    return hashlib.sha256(content).hexdigest() == known


def digests(file: IO[bytes]) -> tuple[str, list[str]]:
    """The hash of a file, and those of its parts; none where it is one part."""
    whole, parts = hashlib.sha256(), []
    while content := file.read(PART_BYTES):
        whole.update(content)
        parts.append(hashlib.sha256(content).hexdigest())
    return whole.hexdigest(), parts if len(parts) > 1 else []


def parts_of(content: memoryview, whole: str, parts: list[str]) -> list[tuple[memoryview, str]]:
    """What is hashed, with the hash that it has to have: every byte is in one of them.

    Raises ValueError where there are not as many parts as the content has.
    """
    if not parts:
        return [(content, whole)]
    starts = range(0, len(content), PART_BYTES)
    pieces = [content[start : start + PART_BYTES] for start in starts]
    return list(zip(pieces, parts, strict=True))


def cores() -> int:
    """How many this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
