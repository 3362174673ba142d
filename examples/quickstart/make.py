"""Make the example picture and clip from the test splits: a PNG as it stands, and an MP4 without loss of grey levels.

python examples/quickstart/make.py
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from composer_quickstart.configs import EasyVqaConfig, MovingDigitsConfig
from composer_quickstart.digits import MovingDigits
from composer_quickstart.easy_vqa import EasyVqaCaptions
from PIL import Image

HERE = Path(__file__).parent
PICTURE = "a blue rectangle"
CLIP = "a seven moves up and left"
FRAMES_PER_SECOND = 8


def write_picture(path: Path) -> None:
    """The first test picture with the wanted caption."""
    samples = EasyVqaCaptions(EasyVqaConfig()).samples("test")
    picture = next(sample["image"] for sample in samples if sample["caption"] == PICTURE)
    Image.fromarray(picture).save(path, optimize=True)


def write_clip(path: Path) -> None:
    """The first test clip with the wanted caption, as H.264 with every grey level kept."""
    samples = MovingDigits(MovingDigitsConfig()).samples("test")
    clip = next(sample["video"] for sample in samples if sample["caption"] == CLIP)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.height, stream.width = clip.shape[1:3]
        stream.pix_fmt = "yuv444p"
        stream.options = {"crf": "0", "preset": "veryslow"}
        stream.time_base = Fraction(1, FRAMES_PER_SECOND)
        for number, frame in enumerate(clip):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


if __name__ == "__main__":
    write_picture(HERE / "picture.png")
    write_clip(HERE / "clip.mp4")
