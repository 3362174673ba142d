"""Digests of weight files: what is told while large ones are read."""

from __future__ import annotations

import hashlib
import io
from itertools import count
from pathlib import Path

import pytest

from composer.progress import LINE_EVERY_S, Progress
from composer.sources import file_digests
from composer.sources.file_digests import digests_of

PIECES = 6


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("one.bin", "two.bin")]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * (PIECES // 2 << 20))
    return paths


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_large_files_tell_how_far_it_is_and_what_is_left(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock on which every look takes half a minute."""
    monkeypatch.setattr(file_digests, "LARGE_BYTES", 1 << 20)
    stream, ticks = io.StringIO(), count(0.0, LINE_EVERY_S / 2)
    found = digests_of(files, lambda: Progress(stream, lambda: next(ticks)))
    assert found == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    lines = stream.getvalue().splitlines()
    assert lines
    assert all(line.startswith("SHA-256: 0.0 of 0.0 GB, ") and line.endswith(" left") for line in lines)


def test_a_terminal_shows_a_bar_with_the_time_left(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_digests, "LARGE_BYTES", 1 << 20)
    stream = Terminal()
    digests_of(files, lambda: Progress(stream))
    assert "/6.29M [" in stream.getvalue()
    assert "<" in stream.getvalue()  # time taken < time left


def test_small_files_are_read_in_silence(files: list[Path]) -> None:
    stream = Terminal()
    assert digests_of(files, lambda: Progress(stream))
    assert stream.getvalue() == ""
