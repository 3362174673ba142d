"""What a run shows: one line per epoch where no one watches, a bar on a terminal."""

from __future__ import annotations

import io

from composer.training.display import Display
from composer.training.loop import EpochResult, TrainingStep


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that the test moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(stream: io.StringIO, seconds_per_step: float = 15.0) -> str:
    clock = Clock()
    display = Display(stream, clock)
    for done in range(1, 5):
        clock.now += seconds_per_step
        display.step(TrainingStep(0, 3, "answer", 0.5, done, 12))
    display.epoch(EpochResult(0, {"answer": 0.5, "caption": 0.25}, 61.4, 60.0))
    display.close()
    return stream.getvalue()


LINE = "epoch 1/3  answer 0.5000, caption 0.2500  (61 s, 2 min left)\n"


def test_a_file_gets_one_plain_line_per_epoch() -> None:
    assert shown(io.StringIO(), 14.9) == LINE


def test_a_long_epoch_says_in_between_that_it_is_alive() -> None:
    lines = shown(io.StringIO(), 40.0).splitlines()
    assert lines[:2] == [
        "epoch 1/3  step 2/12  answer 0.5000  7 min left",
        "epoch 1/3  step 4/12  answer 0.5000  5 min left",
    ]


def test_a_terminal_gets_a_bar_over_the_whole_run_with_the_loss_and_the_same_line() -> None:
    text = shown(Terminal())
    last = text.split("\r")[-4:]
    assert "4/12" in text
    assert "epoch 1/3" in text
    assert "answer 0.500" in text
    assert LINE in text
    assert not last[-1].strip()  # the bar is gone


def test_a_resumed_run_counts_its_own_steps_for_the_time_that_is_left() -> None:
    stream, clock = io.StringIO(), Clock()
    display = Display(stream, clock)
    clock.now = 20.0
    display.step(TrainingStep(1, 2, "answer", 0.5, 11, 12))
    display.epoch(EpochResult(1, {"answer": 0.5}, 20.0, 20.0))
    assert stream.getvalue() == "epoch 2/2  answer 0.5000  (20 s, 20 s left)\n"
