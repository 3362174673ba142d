"""Decoding in processes of their own: started when there is something to decode, kept for what follows.

A file can crash the libraries that decode it, or keep them busy for ever. That ends such a process; here it is one
sentence. Only what a model takes comes back through the pipe, so that the way costs next to nothing.
"""

from __future__ import annotations

import atexit
import os
import pkgutil
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from composer.media.decoder_pool import DecoderPool
from composer.media.decoder_requests import DecodedArray, MediaDecoder, Wanted
from composer.media.decoding_process import INLINE
from composer.problems import InputError
from composer.problems.media_source import MediaSource

__all__ = ["DecodedArray", "MediaDecoder", "Wanted", "decode_all", "read_each"]


Result = TypeVar("Result")


def decode_all(
    decoder: MediaDecoder, sources: Sequence[MediaSource], wanted: Wanted
) -> list[DecodedArray | InputError]:
    """What the decoder gives of each, up to the first that cannot be decoded: its error comes last."""
    if os.environ.get(INLINE) == "inline" or not sys.executable:
        return _read_all(decoder, sources, wanted)
    return _pool_of(decoder).decode_all(sources, wanted)


def read_each(
    values: Sequence[Any],
    what: str,
    decode: Callable[[Sequence[MediaSource]], Sequence[Result | InputError]],
    here: Callable[[Any], Result],
) -> list[Result]:
    """Every value of a batch: paths and bytes by `decode`, which stops at the first error, all others by `here`.

    `what` one of them is: "picture". Raises InputError; of several, the one that cannot be read is named by its number.
    """
    if isinstance(values, (str, bytes)) or not len(values):
        raise InputError(f"a batch is a list with at least one {what}: put a single one in brackets")
    found: dict[int, Result] = {}
    sources: dict[int, MediaSource] = {}
    for number, value in enumerate(values):
        try:
            if isinstance(value, (str, os.PathLike, bytes)):
                sources[number] = MediaSource.of(value, what)
            else:
                found[number] = here(value)
        except InputError as error:
            raise _of_batch(error, number, values, what) from error.__cause__
    answers = decode(list(sources.values())) if sources else []
    for number, answer in zip(sources, answers, strict=False):  # none follows an error
        if isinstance(answer, InputError):
            raise _of_batch(answer, number, values, what) from answer.__cause__
        found[number] = answer
    return [found[number] for number in range(len(values))]


def _of_batch(error: InputError, number: int, values: Sequence[Any], what: str) -> InputError:
    return error if len(values) == 1 else InputError(f"{what} {number + 1} of the batch: {error}")


def _read_all(
    decoder: MediaDecoder, sources: Sequence[MediaSource], wanted: Wanted
) -> list[DecodedArray | InputError]:
    read = pkgutil.resolve_name(decoder.read)
    found: list[DecodedArray | InputError] = []
    for source in sources:
        try:
            array = read(source, **wanted.how)
            found.append(DecodedArray(array.shape, array.tobytes()))
        except InputError as error:
            return [*found, error]
    return found


_POOLS: dict[MediaDecoder, DecoderPool] = {}
_FORGOTTEN: list[DecoderPool] = []


def _pool_of(decoder: MediaDecoder) -> DecoderPool:
    return _POOLS.setdefault(decoder, DecoderPool(decoder))


@atexit.register
def _close() -> None:
    for pool in _POOLS.values():
        pool.close()


def _forget() -> None:
    """After a fork the processes are the parent's: their pipes must not be shared."""
    _FORGOTTEN.extend(_POOLS.values())  # and must not be closed as if they were ours
    _POOLS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
