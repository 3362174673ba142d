"""A value that is the same in all rows is read once, whatever reads it, and answers as if it stood in each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from shared_pictures import QUESTIONS, write_shared

import composer
from composer.execution import Model
from composer.rows import answer_rows


def loaded(folder: Path, task: str) -> Model:
    return composer.load(write_shared(folder) / "shared.yaml", tasks=[task], weights="initial")


def picture(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("given", [0, 1, 2])
def test_it_answers_as_if_it_stood_in_each_row(
    tmp_path: Path, given: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = "several" if given else "ask"
    model = loaded(tmp_path, task)
    image = [picture(n) for n in range(given)] if given else picture(0)
    from composer_vision import processors

    read: list[int] = []
    for found in vars(processors).values():
        if isinstance(found, type) and "encode" in vars(found):
            real = vars(found)["encode"]

            def encode(self: Any, values: Any, *rest: Any, real: Any = real) -> Any:
                read.append(len(values))
                return real(self, values, *rest)

            monkeypatch.setattr(found, "encode", encode)
    answers = list(
        answer_rows(
            model, task, [{"question": each} for each in QUESTIONS], constants={"image": image}, batch_size=2
        )
    )
    assert sum(read) == max(given, 1)
    for question, answer in zip(QUESTIONS, answers, strict=True):
        alone = model.run(task, image=image, question=question)["vector"]
        torch.testing.assert_close(answer.outputs["vector"], alone, atol=1e-5, rtol=1e-4)
