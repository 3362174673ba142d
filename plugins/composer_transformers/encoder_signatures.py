"""The signatures of the encoders, and what their inputs should be: functions of their sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from composer.plugin import refuse_all
from composer.problems import InputError
from composer.types import UNBOUNDED, Signature
from composer_transformers.audio_preparation import flag, recordings
from composer_transformers.encoder_configs import (
    LibraryAudioConfig,
    LibraryDualConfig,
    LibraryEncoderConfig,
    LibraryTextConfig,
    LibraryVisionConfig,
)
from composer_transformers.encoder_sizes import Sizes
from composer_transformers.model_folder import without_tokenizer

__all__ = [
    "dual_image",
    "dual_scores",
    "dual_similarity",
    "dual_text",
    "first_position",
    "hear",
    "hear_pooled",
    "hold_sizes",
    "made_for",
    "read",
    "see",
    "see_frames",
    "see_pooled",
]

_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers, which preprocessor configs write."""


def _positions(config: LibraryTextConfig, sizes: Sizes) -> int:
    most = sizes.size("max_position_embeddings")
    return most - first_position(config)


def first_position(config: LibraryTextConfig) -> int:
    """The number of the first position of a text."""
    found = config.sizes.value("pad_token_id")
    padding = found if isinstance(found, int) and found >= 0 else 0
    return {"behind padding": padding + 1, "behind one": 2}.get(config.row.positions, 0)


def read(config: LibraryTextConfig) -> Signature:
    sizes = config.sizes
    inputs, vocabulary = {"tokens": "tokens[B, L]"}, {"tokens": sizes.size("vocab_size")}
    if config.row.token_types and sizes.size("type_vocab_size") > 1:
        inputs["token_types"] = "labels[B, L]?"
        vocabulary["token_types"] = sizes.size("type_vocab_size")
    return Signature(
        inputs,
        {"states": f"states:text[B, L, {sizes.size('hidden_size')}]"},
        {"L": (1, _positions(config, sizes))},
        vocabulary=vocabulary,
    )


def _places(config: LibraryEncoderConfig, sizes: Sizes) -> tuple[int, int]:
    """Places and width of what a vision encoder gives for one picture or clip."""
    shape, prefix = config.row.shape, config.row.prefix
    if shape == "windows":
        depth = 2 ** (len(sizes.sizes("depths")) - 1)
        grid = sizes.divided("image_size", "patch_size")
        if grid % depth:
            raise ValueError(
                f"{sizes.where}: a grid of {grid} patches does not halve for {depth // 2} stages"
            )
        return (grid // depth) ** 2, sizes.size("embed_dim") * depth
    if shape == "stages":
        widths = sizes.sizes("hidden_sizes")
        grid = sizes.size("image_size") // sizes.size("patch_size") // 2 ** (len(widths) - 1)
        return grid**2, widths[-1]
    grid = sizes.divided("image_size", "patch_size")
    if shape == "tubelets":
        return sizes.divided("num_frames", "tubelet_size") * grid**2, sizes.size("hidden_size")
    return prefix + grid**2, sizes.size("hidden_size")


def _pixels(config: LibraryEncoderConfig, sizes: Sizes) -> str:
    side = sizes.size("image_size")
    frames = sizes.size("num_frames") if config.row.shape == "tubelets" else 1
    return f"pixels[B, {sizes.size('num_channels')}, {frames}, {side}, {side}]"


def see(config: LibraryVisionConfig) -> Signature:
    number, width = _places(config, config.sizes)
    return Signature(
        {"pixels": _pixels(config, config.sizes)}, {"states": f"states:vision[B, {number}, {width}]"}
    )


def see_frames(config: LibraryVisionConfig) -> Signature:
    """Raises InputError for a family that reads clips itself."""
    if config.row.shape == "tubelets":
        raise InputError(f"family {config.row.name} reads clips itself: call it without `.frames`")
    number, width = _places(config, config.sizes)
    side, channels = config.sizes.size("image_size"), config.sizes.size("num_channels")
    return Signature(
        {"pixels": f"pixels[B, {channels}, T, {side}, {side}]"},
        {"states": f"states:vision[B, {number}*T, {width}]"},
    )


def see_pooled(config: LibraryVisionConfig) -> Signature:
    _, width = _places(config, config.sizes)
    return Signature(
        {"pixels": _pixels(config, config.sizes)}, {"embedding": f"embedding:vision[B, {width}]"}
    )


def _heard(config: LibraryAudioConfig) -> tuple[dict[str, str], str, int, dict[str, tuple[int, int]]]:
    """The input, the number of states, their width, and ranges."""
    sizes, shape = config.sizes, config.row.shape
    width = sizes.size("hidden_size")
    if shape == "waves":
        kernels, strides = sizes.sizes("conv_kernel"), sizes.sizes("conv_stride")
        text, least = "T", 1
        for kernel, stride in zip(kernels, strides, strict=True):
            text = f"({text} - {kernel}) // {stride} + 1"
        for kernel, stride in reversed(list(zip(kernels, strides, strict=True))):
            least = (least - 1) * stride + kernel
        return {"waveform": "transformers.waveform[B, T]"}, text, width, {"T": (least, UNBOUNDED)}
    if shape == "mels":
        places = sizes.size("max_source_positions")
        return {"mels": f"states[B, {2 * places}, {sizes.size('num_mel_bins')}]"}, str(places), width, {}
    length, bins, patch = sizes.size("max_length"), sizes.size("num_mel_bins"), sizes.size("patch_size")
    rows = (bins - patch) // sizes.size("frequency_stride") + 1
    columns = (length - patch) // sizes.size("time_stride") + 1
    return {"mels": f"states[B, {length}, {bins}]"}, str(config.row.prefix + rows * columns), width, {}


def hear(config: LibraryAudioConfig) -> Signature:
    inputs, number, width, ranges = _heard(config)
    return Signature(inputs, {"states": f"states:audio[B, {number}, {width}]"}, ranges)


def hear_pooled(config: LibraryAudioConfig) -> Signature:
    inputs, _, width, ranges = _heard(config)
    return Signature(inputs, {"embedding": f"embedding:audio[B, {width}]"}, ranges)


def _towers(config: LibraryDualConfig) -> tuple[Sizes, Sizes]:
    family = "CLIP" if config.row.name == "clip" else "Siglip"
    sizes = config.sizes
    return sizes.inside("vision_config", f"{family}VisionConfig"), sizes.inside(
        "text_config", f"{family}TextConfig"
    )


def _shared_width(config: LibraryDualConfig) -> int:
    vision, text = _towers(config)
    if config.row.name == "clip":
        return config.sizes.size("projection_dim")
    width = text.value("projection_size") or text.size("hidden_size")
    if width != vision.size("hidden_size"):
        raise ValueError(
            f"{config.sizes.where}: texts become {width} wide and pictures {vision.size('hidden_size')}: they are not "
            "compared then"
        )
    return vision.size("hidden_size")


def dual_image(config: LibraryDualConfig) -> Signature:
    vision, _ = _towers(config)
    return Signature(
        {"pixels": _pixels(config, vision)}, {"embedding": f"embedding[B, {_shared_width(config)}]"}
    )


def dual_text(config: LibraryDualConfig) -> Signature:
    _, text = _towers(config)
    return Signature(
        {"tokens": "tokens[K, L]"},
        {"embedding": f"embedding[K, {_shared_width(config)}]"},
        {"L": (1, text.size("max_position_embeddings"))},
        vocabulary={"tokens": text.size("vocab_size")},
    )


def dual_similarity(config: LibraryDualConfig) -> Signature:
    width = _shared_width(config)
    inputs = {"images": f"embedding[B, {width}]", "texts": f"embedding[K, {width}]"}
    return Signature(inputs, {"scores": "scores[B, K]"})


def dual_scores(config: LibraryDualConfig) -> Signature:
    image, text = dual_image(config), dual_text(config)
    return Signature(
        {**image.inputs, **text.inputs}, {"scores": "scores[B, K]"}, text.ranges, vocabulary=text.vocabulary
    )


_HELD: Mapping[str, Callable[[Any], Signature]] = {
    "text": read,
    "vision": see,
    "audio": hear,
    "dual": dual_scores,
}


def hold_sizes(config: LibraryEncoderConfig) -> None:
    """Raises ValueError for names that no model of the family has, all of them, or else for sizes in one sentence."""
    sizes = config.sizes
    towers = _towers(config) if isinstance(config, LibraryDualConfig) else ()
    if config.folder is None:
        refuse_all(
            [
                *sizes.strange_names(config.row.further),
                *(name for each in towers for name in each.strange_names()),
            ]
        )
    if towers:
        for tower in towers:
            tower.hold_heads()
    elif config.row.shape not in ("windows", "stages"):
        sizes.hold_heads()
    _HELD[config.sort](config)


def made_for(config: LibraryEncoderConfig) -> Mapping[str, Mapping[str, Any]]:
    """What inputs should be: pictures and recordings by the preprocessor of the folder or as the family is usually
    trained, texts by its tokenizer.

    Raises InputError for files of the folder that do not say it.
    """
    try:
        return _prepared(config)
    except ValueError as error:
        raise InputError(str(error)) from None


def _prepared(config: LibraryEncoderConfig) -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    sizes = config.sizes
    if isinstance(config, LibraryAudioConfig):
        return {"audio": _recordings(config)}
    if isinstance(config, LibraryTextConfig) and config.folder is not None and config.tokenizer is None:
        raise ValueError(
            f"{without_tokenizer(Path(config.folder))}, so nothing is known of how its texts are split: write "
            "`tokenizer` under `with` of the input, and leave `for` out"
        )
    text = sizes if config.sort == "text" else None
    vision = sizes if config.sort == "vision" else None
    if isinstance(config, LibraryDualConfig):
        vision, text = _towers(config)
    if vision is not None and vision.size("num_channels") == 3:
        pictures = _pictures(config, vision.size("image_size"))
        found |= {"image": pictures, "video": pictures}
        if config.row.shape == "tubelets":
            found = {"video": {**pictures, "frames": vision.size("num_frames")}}
    if text is not None and config.tokenizer is not None:
        most = (
            _positions(config, text)
            if isinstance(config, LibraryTextConfig)
            else text.size("max_position_embeddings")
        )
        found["text"] = {"tokenizer": config.tokenizer, "max_tokens": most}
    return found


def _recordings(config: LibraryAudioConfig) -> dict[str, Any]:
    sizes, shape = config.sizes, config.row.shape
    taken = {}
    if shape == "mels":
        taken = {"bins": sizes.size("num_mel_bins"), "frames": 2 * sizes.size("max_source_positions")}
    elif shape == "spectrogram":
        taken = {"bins": sizes.size("num_mel_bins"), "frames": sizes.size("max_length")}
    return recordings(shape, config.preprocessor, where=f"the preprocessor of {config.folder}", **taken)


def _colours(
    said: Mapping[str, Any], name: str, usual: tuple[float, ...], where: str, least: float | None = None
) -> tuple[float, ...]:
    """Three numbers, above `least`. Raises ValueError for anything else."""
    found = said.get(name, usual)
    listed = isinstance(found, (list, tuple)) and len(found) == 3
    if not listed or not all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in found):
        raise ValueError(f"{where}: `{name}` is {found!r:.60}, not three numbers")
    if least is not None and min(found) <= least:
        raise ValueError(f"{where}: `{name}` is {found!r:.60}, not three numbers above {least:g}")
    return tuple(map(float, found))


def _filter(said: Mapping[str, Any], where: str) -> str:
    """How pictures are resized. Raises ValueError for another filter than there are here."""
    number = 3 if said.get("resample") is None else said["resample"]
    if not isinstance(number, int) or number not in _FILTERS:
        known = [f"{each} ({name})" for each, name in _FILTERS.items()]
        raise ValueError(f"{where}: `resample` is {number!r:.60}, not {', '.join(known[:-1])} or {known[-1]}")
    return _FILTERS[number]


def _pictures(config: LibraryEncoderConfig, size: int) -> dict[str, Any]:
    """The config of a picture, from a preprocessor_config.json where there is one."""
    said = config.preprocessor
    mean, std = config.row.colours or ((0.5,) * 3, (0.5,) * 3)
    where = f"the preprocessor of {config.folder}"
    if flag(said, "do_normalize", where, default=True):
        mean = _colours(said, "image_mean", mean, where)
        std = _colours(said, "image_std", std, where, least=0.0)
    elif said:
        mean, std = (0.0,) * 3, (1.0,) * 3
    found: dict[str, Any] = {"size": size, "mean": mean, "std": std}
    found["resize"] = _filter(said, where)
    shortest = said["size"].get("shortest_edge") if isinstance(said.get("size"), dict) else None
    share = said.get("crop_pct")
    if isinstance(share, (int, float)) and 0 < share <= 1:
        return found | {"crop": "resized", "crop_share": float(share)}
    if isinstance(shortest, int) and shortest >= size:
        return found | {"crop": "resized", "crop_share": size / shortest}
    return found | {"crop": "none"}
