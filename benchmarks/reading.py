"""Pictures and clips from files: the readers of the modalities beside bare Pillow and PyAV, same pixels."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import av
import numpy as np
from composer_vision.configs import ImageConfig, VideoConfig
from composer_vision.processors import ImageProcessor, VideoProcessor
from composer_vision.sampling import middle_frames
from numpy.typing import NDArray
from PIL import Image

from benchmarks.measuring import Row, interleaved, ratio
from benchmarks.subjects import CLIP, PICTURE

__all__ = ["measure"]

SIZE, FRAMES = 224, 8
NEAR = 2
"""Levels of 255 by which pixels may differ: decoders round colours in their own ways."""


def measure(*, quick: bool) -> Iterator[Row]:
    """The readers decode in a process of their own, which a broken file cannot take the caller down with."""
    count = 2 if quick else 32
    yield _compared(
        "pictures",
        ImageProcessor(ImageConfig(size=SIZE)).encode,
        _picture,
        [PICTURE] * count,
        "Pillow",
        quick,
    )
    yield _compared(
        "clips",
        VideoProcessor(VideoConfig(size=SIZE, frames=FRAMES)).encode,
        _clip,
        [CLIP] * (count // 2),
        "PyAV",
        quick,
    )


def _compared(
    what: str,
    encode: Callable[[Sequence[str]], dict[str, NDArray[np.uint8]]],
    by_hand: Callable[[str], NDArray[np.uint8]],
    files: Sequence[str],
    library: str,
    quick: bool,
) -> Row:
    runs: dict[str, Callable[[], Any]] = {
        "ours": partial(encode, files),
        "by hand": lambda: np.stack([by_hand(file) for file in files]),
    }
    found, expected = encode(files)["frames"].astype(int), np.stack([by_hand(file) for file in files])
    apart = int(np.abs(found - expected).max())
    times = interleaved(runs, 1 if quick else 5, time.perf_counter)
    speed = {name: len(files) / statistics.median(values) for name, values in times.items()}
    return Row(
        f"reading {len(files)} {what} of a file to {SIZE} pixels{f', {FRAMES} frames' if what == 'clips' else ''}",
        speed["ours"],
        f"{what}/s",
        f"bare {library}",
        speed["by hand"],
        ratio(times, "by hand", "ours"),
        "",
        "times as fast, same pixels" if apart <= NEAR else f"times as fast, PIXELS DIFFER BY {apart}",
    )


def _picture(file: str) -> NDArray[np.uint8]:
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC))[None]


def _clip(file: str) -> NDArray[np.uint8]:
    """The middle frame of each of eight parts, the nearest pixels of each as torch's interpolate picks them."""
    with av.open(file) as container:
        stream = container.streams.video[0]
        chosen = middle_frames(FRAMES, stream.frames)
        frames = [
            frame.to_ndarray(format="rgb24")
            for number, frame in enumerate(container.decode(stream))
            if number in chosen
        ]
    height, width = frames[0].shape[:2]
    places = np.arange(SIZE, dtype=np.float32)
    rows, columns = ((places * np.float32(side / SIZE)).astype(int) for side in (height, width))
    return np.stack([frame[rows][:, columns] for frame in frames])
