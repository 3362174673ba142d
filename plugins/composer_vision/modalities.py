"""The modalities `image` and `video`: uint8 frames on the host, normalised pixels inside the program."""

from __future__ import annotations

from composer.plugin import Modality
from composer_vision.configs import ImageConfig, VideoConfig

__all__ = ["IMAGE", "VIDEO"]


def _image_ports(config: ImageConfig) -> dict[str, str]:
    return {"pixels": f"pixels[B, 3, 1, {config.size}, {config.size}]"}


def _image_host(config: ImageConfig) -> dict[str, str]:
    return {"frames": f"frames[B, 1, {config.size}, {config.size}, 3]"}


def _video_ports(config: VideoConfig) -> dict[str, str]:
    return {"pixels": f"pixels[B, 3, {config.frames}, {config.size}, {config.size}]"}


def _video_host(config: VideoConfig) -> dict[str, str]:
    return {"frames": f"frames[B, {config.frames}, {config.size}, {config.size}, 3]"}


IMAGE = Modality(
    "image",
    ImageConfig,
    _image_ports,
    "composer_vision.processors:ImageProcessor",
    "A picture: a path, bytes, a Pillow image, or a uint8 array [height, width, 3].",
    prepare="composer_vision.prepare:build_prepare",
    host=_image_host,
    names_files=True,
    examples=({"size": 8},),
    sample="composer_vision.processors:sample_pictures",
)

VIDEO = Modality(
    "video",
    VideoConfig,
    _video_ports,
    "composer_vision.processors:VideoProcessor",
    "A clip: a path, bytes, or a uint8 array [frames, height, width, 3].",
    prepare="composer_vision.prepare:build_prepare",
    host=_video_host,
    names_files=True,
    examples=({"size": 8, "frames": 2},),
    sample="composer_vision.processors:sample_clips",
)
