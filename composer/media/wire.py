"""What goes through the pipe between a process and the one that decodes for it: a head in JSON, then plain bytes."""

from __future__ import annotations

import json
import struct
from typing import IO, Any

__all__ = ["MOST_HEAD_BYTES", "receive", "send"]

MOST_HEAD_BYTES = 1 << 20
_LENGTH = struct.Struct(">I")


def send(stream: IO[bytes], head: dict[str, Any], content: bytes | memoryview = b"") -> None:
    """Write a message. Raises OSError where nobody reads it any more."""
    written = json.dumps(head).encode("ascii")
    stream.write(_LENGTH.pack(len(written)) + written)
    stream.write(content)
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, Any]:
    """The head of the next message; what follows it is read by the caller.

    Raises EOFError at the end, and for what is not a message.

    Nothing is unpickled: whoever decodes a hostile file may be in its hands.
    """
    length = int(_LENGTH.unpack(_exactly(stream, _LENGTH.size))[0])
    if length > MOST_HEAD_BYTES:
        raise EOFError
    try:
        head = json.loads(_exactly(stream, length))
    except (ValueError, RecursionError):
        raise EOFError from None
    if not isinstance(head, dict):
        raise EOFError
    return head


def _exactly(stream: IO[bytes], length: int) -> bytes:
    content = stream.read(length)
    if len(content) != length:
        raise EOFError
    return content
