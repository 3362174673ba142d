"""A timm model as a module: its tokens, its pooled vector, its maps and its class scores, each by a method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from composer.types import States

if TYPE_CHECKING:
    from composer_timm.configs import BackboneConfig

__all__ = ["Backbone", "build_backbone", "create"]


class Backbone(nn.Module):
    """pixels[B, C, 1, H, W] to what `features` says; the methods give the other forms, with the same weights.

    The timm model's parameters are its own (`blocks.0.attn.qkv.weight`), so that its checkpoints fit as they are.
    """

    def __init__(
        self, *, model: nn.Module, features: str, prefix_tokens: bool, levels: Sequence[int]
    ) -> None:
        super().__init__()
        self.model = model
        self.features = features
        self.prefix_tokens = prefix_tokens
        self.levels = tuple(levels)
        self.prefix = int(getattr(model, "num_prefix_tokens", 0) or 0)
        self.channels_last = str(getattr(model, "output_fmt", "NCHW")).endswith("NHWC")

    def forward(self, *, pixels: Tensor) -> Any:
        return getattr(self, self.features)(pixels=pixels)

    def tokens(self, *, pixels: Tensor) -> States:
        """States [B, N, D]: the tokens of a transformer, or the places of a map, row by row."""
        return States(self.tokens_of(self.features_of(_picture(pixels))))

    def frames(self, *, pixels: Tensor) -> States:
        """pixels[B, C, T, H, W] → states[B, T * N, D]: the tokens of all frames, one frame after the other."""
        found = self.tokens_of(self.features_of(_flat_frames(pixels)))
        return States(found.reshape(pixels.shape[0], pixels.shape[2] * found.shape[1], found.shape[2]))

    def frame_vectors(self, *, pixels: Tensor) -> States:
        """pixels[B, C, T, H, W] → states[B, T, D]: the pooled vector of every frame."""
        found = self.pooled_of(self.features_of(_flat_frames(pixels)))
        return States(found.reshape(pixels.shape[0], pixels.shape[2], found.shape[1]))

    def pooled(self, *, pixels: Tensor) -> Tensor:
        """embedding[B, D]: what the classifier of the model reads."""
        return self.pooled_of(self.features_of(_picture(pixels)))

    def map(self, *, pixels: Tensor) -> Tensor:
        """map[B, C, h, w]: the last map; of a transformer its tokens, without the prefix, where they stand."""
        picture = _picture(pixels)
        features = self.features_of(picture)
        if features.dim() == 4:
            return self._channels_first(features)
        return self._intermediates(picture, 1, norm=True)[-1]

    def pyramid(self, *, pixels: Tensor) -> dict[str, Tensor]:
        """One map for each level, the finest first."""
        maps = self._intermediates(_picture(pixels), list(self.levels) or None)
        return {f"level{number}": found for number, found in enumerate(maps, 1)}

    def scores(self, *, pixels: Tensor) -> Tensor:
        """scores[B, K]: what the classifier says of every class."""
        return self.scores_of(self.features_of(_picture(pixels)))

    def features_of(self, picture: Tensor) -> Tensor:
        """picture[B, C, H, W] → what the model has before its head: tokens, or a map."""
        return self._call("forward_features", picture)

    def tokens_of(self, features: Tensor) -> Tensor:
        if features.dim() == 4:
            return self._channels_first(features).flatten(2).transpose(1, 2)
        return features if self.prefix_tokens else features[:, self.prefix :]

    def pooled_of(self, features: Tensor) -> Tensor:
        return self._call("forward_head", features, pre_logits=True)

    def scores_of(self, features: Tensor) -> Tensor:
        return self._call("forward_head", features)

    def _intermediates(self, picture: Tensor, which: int | list[int] | None, **options: Any) -> list[Tensor]:
        options |= {"indices": which, "output_fmt": "NCHW", "intermediates_only": True}
        return list(self._call("forward_intermediates", picture, **options))

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        return getattr(self.model, name)(*arguments, **options)

    def _channels_first(self, found: Tensor) -> Tensor:
        return found.permute(0, 3, 1, 2) if self.channels_last else found


def _picture(pixels: Tensor) -> Tensor:
    """pixels[B, C, 1, H, W] → [B, C, H, W]."""
    return pixels[:, :, 0]


def _flat_frames(pixels: Tensor) -> Tensor:
    """pixels[B, C, T, H, W] → [B * T, C, H, W]."""
    return pixels.transpose(1, 2).flatten(0, 1)


def create(
    name: str,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    classes: int | None = None,
    drop_path: float = 0.0,
) -> nn.Module:
    """The timm model of a name with fresh weights. Nothing is fetched."""
    import timm

    options: dict[str, Any] = {"num_classes": classes}
    options |= {} if image_size is None else {"img_size": image_size}
    options |= {} if channels is None else {"in_chans": channels}
    options |= {"drop_path_rate": drop_path} if drop_path else {}
    model: nn.Module = timm.create_model(name, pretrained=False, **options)
    if getattr(model, "dynamic_img_size", False):  # an exported one resamples its positions at every call
        model = timm.create_model(name, pretrained=False, dynamic_img_size=False, **options)
    return model


def build_backbone(config: BackboneConfig) -> Backbone:
    facts = config.facts
    model = create(
        config.model,
        image_size=facts.size[0] if facts.takes_size else None,
        channels=config.channels,
        classes=config.kept_classes,
        drop_path=config.drop_path,
    )
    return Backbone(
        model=model,
        features=config.features,
        prefix_tokens=config.prefix_tokens,
        levels=config.levels,
    )
