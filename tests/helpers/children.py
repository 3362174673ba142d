"""A document that keeps the modules of a shipped one, and adds a head of its own."""

from __future__ import annotations

__all__ = ["CHILD"]

CHILD = """\
composer: 1
name: child
extends: quickstart
modules:
  head: {uses: core.linear, with: {input_dim: $hidden, output_dim: 3}}
tasks:
  classify:
    inputs: {image: {modality: image, with: {size: $image_size}}}
    nodes:
      picture: {call: vision.image, inputs: {pixels: image.pixels}}
      pooled: {uses: core.pool, inputs: {states: picture.states}}
      scored: {call: head, inputs: {states: picture.states}}
    outputs: {scores: scored, vector: pooled}
"""
