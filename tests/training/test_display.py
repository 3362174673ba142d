"""What a run shows: one line per epoch where no one watches, a bar on a terminal."""

from __future__ import annotations

import io

from composer.training.display import Display
from composer.training.loop import EpochResult, Step


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO) -> str:
    display = Display(3, stream)
    for done in range(1, 5):
        display.step(Step(0, "answer", 0.5, done, 4))
    display.epoch(EpochResult(0, {"answer": 0.5, "caption": 0.25}, 61.4, 60.0))
    return stream.getvalue()


def test_a_file_gets_one_plain_line_per_epoch() -> None:
    assert shown(io.StringIO()) == "epoch 1/3  answer 0.5000, caption 0.2500  (61 s)\n"


def test_a_terminal_gets_a_bar_and_the_same_line() -> None:
    text = shown(Terminal())
    assert "epoch 1/3" in text.split("\r")[1]
    assert text.endswith("epoch 1/3  answer 0.5000, caption 0.2500  (61 s)\n")
