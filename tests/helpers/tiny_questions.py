"""A dataset of pictures of one colour with a question and what is to be answered, for words of `tiny_folders`."""

from __future__ import annotations

from typing import Any

import numpy as np

from composer.plugin import Config, Dataset, Register, hookimpl

__all__ = ["composer_register"]


class QuestionsConfig(Config):
    """Dark pictures and light ones."""


class Questions:
    """Eight samples: what is said depends on the picture."""

    splits = ("test",)

    def __init__(self, config: QuestionsConfig) -> None:
        self.config = config

    def samples(self, split: str, epoch: int = 0) -> list[dict[str, Any]]:
        return [
            {
                "image": np.full((20, 30, 3), 250 * (number % 2), dtype=np.uint8),
                "question": f"w{number + 10} w5",
                "reply": "w20 w21" if number % 2 else "w30",
            }
            for number in range(8 if split == "train" else 2)
        ]


@hookimpl
def composer_register(register: Register) -> None:
    register(
        Dataset(
            "questions.tiny",
            QuestionsConfig,
            "tiny_questions:Questions",
            "Pictures with questions.",
            gives=("image", "question", "reply"),
        )
    )
