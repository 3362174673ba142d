"""From the frames that a decoder gives to red, green and blue.

The rule, which docs/porting.md states for users: the matrix (BT.601, BT.709, BT.2020, ...) and the range (16 to
235, or all of 0 to 255) are those that the stream declares; a stream that declares none has BT.601 and 16 to 235,
as in the published frame reader, whatever its size. Chroma is spread as that reader spreads it: two neighbouring
pixels of a row share a sample, and a frame is one picture even where it is interlaced.
"""

from __future__ import annotations

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from composer.problems import InputError

__all__ = ["ToRgb"]

Picture = NDArray[np.uint8]

# Codes of ITU-T H.273 that libav converts by.
UNDECLARED = "unknown"
MATRICES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020nc"}
OTHER_COLOURS = {8: "YCgCo", 11: "YDzDx", 14: "ICtCp", 15: "IPT-C2", 16: "YCgCo-R", 17: "YCgCo-R"}


class ToRgb:
    """Converts the frames of one clip; built anew only where its frames change their size or format."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key: tuple[object, ...] = ()
        self._graph = Graph()

    def __call__(self, frame: av.VideoFrame) -> Picture:
        """uint8 [H, W, 3], or [H, W, 4] where the frame has transparency.

        Raises InputError for colours that are not stored as brightness and two differences.
        """
        form = "rgba" if any(component.is_alpha for component in frame.format.components) else "rgb24"
        if not frame.format.is_rgb and len(frame.format.components) > 1:
            frame = self._declared(frame)
        converted = frame.to_ndarray(format=form, interpolation=Interpolation.BILINEAR)
        return converted.astype(np.uint8, copy=False)

    def _declared(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame with the description by which it is to be converted."""
        matrix = int(frame.colorspace)
        if matrix in OTHER_COLOURS:
            raise InputError(
                f"{self.name} stores its colours as {OTHER_COLOURS[matrix]}, which is not read: "
                "export it as MP4 (H.264)"
            )
        declared = MATRICES.get(matrix, UNDECLARED)
        key = (frame.width, frame.height, frame.format.name, declared)
        if key != self._key:
            self._key, self._graph = key, _described(frame, declared)
        self._graph.push(frame)
        converted = self._graph.pull()
        assert isinstance(converted, av.VideoFrame)
        return converted


def _described(frame: av.VideoFrame, matrix: str) -> Graph:
    """A graph that changes what frames say of themselves, and no pixel."""
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    says = {"field_mode": "prog", "colorspace": matrix, "chroma_location": "bottom"}
    given = graph.add("setparams", ":".join(f"{key}={value}" for key, value in says.items()))
    sink = graph.add("buffersink")
    source.link_to(given)
    given.link_to(sink)
    graph.configure()
    return graph
