"""Plugin entry module of composer_timm: any model of timm as a backbone. Imports neither timm nor torch."""

from __future__ import annotations

from composer.plugin import Register, hookimpl

__all__ = ["composer_register"]


@hookimpl
def composer_register(register: Register) -> None:
    """Register the module type `timm.backbone` and the layouts of timm's checkpoints."""
    from composer_timm.declared import BACKBONE, LAYOUTS

    register(BACKBONE, *LAYOUTS)
