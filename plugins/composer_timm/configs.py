"""The config of `timm.backbone`."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from composer.plugin import Config

if TYPE_CHECKING:
    from composer_timm.facts import Facts

__all__ = ["BackboneConfig"]


class BackboneConfig(Config):
    """`with` of a module of the type `timm.backbone`: a model of timm by its name, and what it gives."""

    model: str
    """A name of timm, with or without the tag of its weights: `vit_small_patch14_dinov2.lvd142m`."""
    features: Literal["tokens", "pooled", "map", "pyramid", "scores"] = "tokens"
    """What a plain `call` gives; the methods of the same names give it too."""
    image_size: int | None = Field(default=None, ge=1)
    """Height and width in pixels; left out, those that the model was made for."""
    channels: int | None = Field(default=None, ge=1)
    """Colours of a picture; left out, three. Other inputs than pictures have others."""
    classes: int | None = Field(default=None, ge=1)
    """Classes of the model's classifier; left out, it has those it was trained with where `features` is `scores`, and
    no classifier elsewhere."""
    prefix_tokens: bool = True
    """Whether tokens keep those that stand for no place of the picture, such as a class token or registers."""
    levels: Annotated[tuple[int, ...], Field(strict=False)] = ()
    """Levels of the pyramid by number, the finest is 0; left out, all."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Part of the samples that skip a block in training (stochastic depth)."""

    @field_validator("model")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        from composer_timm.facts import hold_name

        hold_name(name)
        return name

    @model_validator(mode="after")
    def _has_features(self) -> BackboneConfig:
        from composer_timm.facts import hold_features

        hold_features(self)
        return self

    @cached_property
    def facts(self) -> Facts:
        """What is known of the model at this size, without timm."""
        from composer_timm.facts import facts_of

        return facts_of(self.model, self.image_size, self.channels)

    @property
    def kept_classes(self) -> int | None:
        """The classes that the classifier is built with: None for its own, 0 for no classifier."""
        if self.classes is not None:
            return self.classes
        return None if self.features == "scores" else 0
