"""The configs of the image and video modalities."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from composer.plugin import Config

__all__ = ["ImageConfig", "VideoConfig"]

# A YAML list becomes a tuple; the numbers in it stay strictly checked.
Colour = Annotated[tuple[float, float, float], Field(strict=False)]
Spread = Annotated[
    tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]],
    Field(strict=False),
]
Resize = Literal["bicubic", "bilinear", "lanczos", "nearest"]
"""`nearest` picks pixels as torch's interpolate does; the others are Pillow's, with antialiasing."""

Crop = Literal["none", "center", "resized"]

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class ImageConfig(Config):
    """`with` of an input of modality `image`: decoded, cropped, resized to a square, normalised."""

    size: int = Field(ge=1)
    """Height and width in pixels of what the model sees."""
    resize: Resize = "bicubic"
    """How pixels are resampled."""
    crop: Crop = "none"
    """`none` stretches the whole picture to the square; `center` first cuts the largest square out of it; `resized`
    scales the shorter side to `size / crop_share`, then cuts the square out of the middle, as timm does."""
    crop_share: float = Field(default=1.0, gt=0, le=1)
    """Part of the shorter side that `crop: resized` keeps."""
    mean: Colour = CLIP_MEAN
    """Subtracted per colour (red, green, blue), on the scale 0..1. CLIP's by default."""
    std: Spread = CLIP_STD
    """Divides per colour after that. CLIP's by default."""


class VideoConfig(Config):
    """`with` of an input of modality `video`: some frames of a clip, each treated as a picture is."""

    frames: int = Field(ge=1)
    """Number of frames that the model sees. A shorter clip repeats its last frame."""
    size: int = Field(ge=1)
    """Height and width in pixels of what the model sees."""
    sampling: Literal["middle", "rate"] = "middle"
    """`middle` takes the middle frame of each of `frames` equal parts; `rate` takes `rate` frames a second
    from the start, as many as fit."""
    rate: float = Field(default=1.0, gt=0)
    """Frames per second for `sampling: rate`."""
    resize: Resize = "nearest"
    """How pixels are resampled."""
    crop: Crop = "none"
    """`none` stretches the whole frame to the square; `center` first cuts the largest square out of it; `resized`
    scales the shorter side to `size / crop_share`, then cuts the square out of the middle, as timm does."""
    crop_share: float = Field(default=1.0, gt=0, le=1)
    """Part of the shorter side that `crop: resized` keeps."""
    mean: Colour = CLIP_MEAN
    """Subtracted per colour (red, green, blue), on the scale 0..1. CLIP's by default."""
    std: Spread = CLIP_STD
    """Divides per colour after that. CLIP's by default."""
