"""What a timm model takes and gives, found by building it on the meta device: for the table, and for one child process.

Run as a program, it reads a name and the options on its command line and writes the facts as one line of JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["probe"]

MOST_LEVELS = 64


def probe(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The facts of one model, as `facts.Facts` reads them; raises what timm raises for a name that it does not know."""
    import torch
    from timm.data import resolve_model_data_config

    from composer_timm.backbone import Backbone, create

    size = options.get("image_size")
    unsized = {key: value for key, value in options.items() if key != "image_size"}
    with torch.device("meta"):
        model = create(name, **unsized).eval()
        takes_size = "img_size" in _keywords(model)
        if size is not None and takes_size:
            model = create(name, **options).eval()
    data = resolve_model_data_config(model)
    _, height, width = data["input_size"] if size is None else (0, size, size)
    channels = options.get("channels") or data["input_size"][0]
    _keep_shapes(model)
    pixels = torch.empty(2, channels, 1, height, width, device="meta")
    backbone = Backbone(model=model, features="tokens", prefix_tokens=True, levels=()).eval()
    with torch.no_grad():
        features = backbone.features_of(pixels[:, :, 0])
        tokens = _shape(lambda: backbone.tokens_of(features), 3)
        levels = _levels(lambda: backbone.pyramid(pixels=pixels))
        classes = getattr(model, "num_classes", 0)
        return {
            "kind": type(model).__name__,
            "size": [height, width],
            "channels": channels,
            "tokens": tokens,
            "prefix": backbone.prefix if getattr(features, "ndim", 0) == 3 else 0,
            "pooled": _width(lambda: backbone.pooled_of(features)),
            "map": _shape(lambda: backbone.map(pixels=pixels), 4),
            "levels": levels,
            "classes": _width(lambda: backbone.scores_of(features)) if classes else None,
            "mean": list(data["mean"]),
            "std": list(data["std"]),
            "interpolation": data["interpolation"],
            "crop": data["crop_pct"],
            "mode": data["crop_mode"],
            "takes_size": takes_size,
        }


def _keep_shapes(model: Any) -> None:
    """Take out what leaves shapes as they are: on the meta device such layers cost most of the time."""
    from timm.layers import DropPath, LayerScale
    from torch import nn

    acts = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Hardswish, nn.Sigmoid, nn.Hardsigmoid, nn.Dropout)
    norms = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)
    for module in model.modules():
        if isinstance(module, (*acts, *norms, DropPath, LayerScale)):
            setattr(module, "forward", lambda found, *rest, **named: found)  # noqa: B010 - a method by name


def _keywords(model: Any) -> list[str]:
    import inspect

    return list(inspect.signature(type(model).__init__).parameters)


def _shape(run: Callable[[], Any], dims: int) -> list[int] | None:
    """The shape without the batch; None where the model has no such features."""
    try:
        found = run()
    except Exception:  # a model without such features fails in whatever way its authors left it
        return None
    shape = list(getattr(found, "shape", ()))
    return shape[1:] if len(shape) == dims and shape[0] == 2 else None


def _width(run: Callable[[], Any]) -> int | None:
    shape = _shape(run, 2)
    return None if shape is None else shape[0]


def _levels(run: Callable[[], Any]) -> list[list[int]] | None:
    try:
        found = list(run().values())
    except Exception:  # as above: not every model has maps of several sizes
        return None
    shapes = [list(each.shape)[1:] for each in found if getattr(each, "ndim", 0) == 4]
    return shapes if shapes and len(shapes) == len(found) <= MOST_LEVELS else None


def main() -> int:
    """Answer one question, or say in one line on stderr why that is not possible."""
    name, options = json.loads(sys.argv[1])
    try:
        answer = probe(name, options)
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", file=sys.stderr)
        return 1
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
