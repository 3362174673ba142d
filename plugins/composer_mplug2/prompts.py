"""The prompt of captions: taken off a generated text."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from composer_mplug2.configs import PromptConfig

__all__ = ["StripPrompt", "build_strip_prompt"]


class StripPrompt(nn.Module):
    """Texts → what stands after the last occurrence of the prompt in each; a text without it stays, as published."""

    def __init__(self, *, prompt: str) -> None:
        super().__init__()
        self.prompt = prompt

    def forward(self, *, text: Sequence[str]) -> list[str]:
        return [one.split(self.prompt)[-1].strip() if self.prompt else one for one in text]


def build_strip_prompt(config: PromptConfig) -> StripPrompt:
    return StripPrompt(prompt=config.prompt)
