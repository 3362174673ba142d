"""Processes of one decoder that wait for work: each caller has one, and a large batch those that are free besides."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from itertools import pairwise

from composer.media.decoder_requests import MediaDecoder, Wanted
from composer.media.decoding_process import Answers, DecodingProcess
from composer.problems import ComposerError, InputError
from composer.problems.media_source import MediaSource

__all__ = ["DecoderPool"]

MOST_PROCESSES = 4
FEWEST = 4
"""Files that are worth asking another process for, which is there already."""
WORTH_A_START = 64
"""Files that were asked for, all together, before a process is started only to be faster: that takes as long as to
decode some fifty pictures."""


class DecoderPool:
    """Processes of one decoder, for the threads of this one."""

    def __init__(self, decoder: MediaDecoder) -> None:
        self._decoder = decoder
        self._lock = threading.Lock()
        self._waiting: list[DecodingProcess] = []
        self._places = threading.BoundedSemaphore(max(1, min(MOST_PROCESSES, os.cpu_count() or 1)))
        self._asked = 0

    def decode_all(self, sources: Sequence[MediaSource], wanted: Wanted) -> Answers:
        """See `composer.media.decoders.decode_all`. A large batch is shared among the processes that are free."""
        with self._places:
            own = self._taken()
            others = self._others(len(sources))
            count = len(others) + 1
            bounds = [len(sources) * number // count for number in range(count + 1)]
            shares = [sources[first:last] for first, last in pairwise(bounds)]
            helpers = [
                _Helper(process, share, wanted) for process, share in zip(others, shares[1:], strict=True)
            ]
            try:
                found = own.decode_all(shares[0], wanted)
                for helper in helpers:
                    if found and isinstance(found[-1], InputError):
                        break
                    found += helper.answers()
                return found
            except BaseException:
                for process in others:
                    process.end()
                raise
            finally:
                for helper in helpers:
                    helper.join()
                for process in (own, *others):
                    self._given_back(process)
                for _ in others:
                    self._places.release()

    def _others(self, count: int) -> list[DecodingProcess]:
        """Free processes to share a batch with, each with a place of its own."""
        with self._lock:
            self._asked += count
            may_start = self._asked > WORTH_A_START
        found: list[DecodingProcess] = []
        while count >= FEWEST * (len(found) + 2) and self._places.acquire(blocking=False):
            with self._lock:
                is_there = bool(self._waiting)
            if not is_there and not may_start:
                self._places.release()
                break
            try:
                found.append(self._taken())
            except ComposerError:  # it can do without
                self._places.release()
                break
        return found

    def _taken(self) -> DecodingProcess:
        """A process that is free; a new one where there is none."""
        with self._lock:
            process = self._waiting.pop() if self._waiting else None
        if process is not None and not process.lives:
            process.end()
            process = None
        return process or DecodingProcess(self._decoder)

    def _given_back(self, process: DecodingProcess) -> None:
        if process.lives:
            with self._lock:
                self._waiting.append(process)
        else:
            process.end()

    def close(self) -> None:
        """End the processes that wait."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for process in waiting:
            process.end()


class _Helper:
    """A thread that has a share of a batch decoded by another process."""

    def __init__(self, process: DecodingProcess, sources: Sequence[MediaSource], wanted: Wanted) -> None:
        self._process, self._sources, self._wanted = process, sources, wanted
        self._found: Answers = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="composer-media-share", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found = self._process.decode_all(self._sources, self._wanted)
        except BaseException as error:  # told to whoever waits for the answers
            self._error = error

    def answers(self) -> Answers:
        """The answers, once they are there. Raises whatever decoding raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found

    def join(self) -> None:
        """Wait until the process is free."""
        self._thread.join()
