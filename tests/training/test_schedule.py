"""The learning rate over a run, and when tasks join it."""

from __future__ import annotations

import math
from unittest import mock

import pytest
from lines import TASK, Line, Points, data, recipe

from composer.recipes.learning_rates import learning_rate
from composer.training.loop import train_epochs
from composer.training.run_options import Following


def test_the_rate_rises_in_a_line_and_falls_as_half_a_cosine() -> None:
    rates = [learning_rate(step, steps=100, peak=1.0, warmup=0.1) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.5 * (1 + math.cos(math.pi * 89 / 90)))
    assert learning_rate(0, steps=10, peak=1.0, warmup=0.0) == 1.0


def test_a_restart_begins_the_rate_anew() -> None:
    def rates(steps: int, **options: object) -> list[float]:
        return [learning_rate(i, steps=steps, peak=1.0, warmup=0.1, **options) for i in range(steps)]  # type: ignore[arg-type]

    assert rates(90, restarts=[40, 60]) == rates(40) + rates(20) + rates(30)
    assert rates(40, restarts=[40]) == rates(40)  # a run that ends before its restart


def test_the_first_stretch_of_a_longer_run_is_the_shorter_run() -> None:
    short, long = Line(), Line()
    first = train_epochs(short, data(), recipe(epochs=3))
    both = train_epochs(long, data(), recipe(epochs=5, restarts=[3]))
    assert [r.losses for r in both[:3]] == [r.losses for r in first]
    assert len(both) == 5


def test_a_task_joins_when_its_part_of_the_run_has_passed() -> None:
    seen: list[tuple[int, str, int]] = []
    late = recipe(epochs=5, tasks={"up": TASK, "down": {**TASK, "start": 0.5}})
    results = train_epochs(
        Line(), data(), late, following=Following(progress=lambda s: seen.append((s.epoch, s.task, s.total)))
    )
    assert [sorted(result.losses) for result in results] == [["up"], ["up"], *[["down", "up"]] * 3]
    assert [sum(other == epoch for other, _, _ in seen) for epoch in range(5)] == [5, 5, 10, 10, 10]
    assert {total for _, _, total in seen} == {40}


def test_the_rate_falls_to_the_end_of_a_run_whose_tasks_join_later() -> None:
    """The optimizer's rate at every step is that of a run of as many steps, however they are shared out."""
    late = recipe(epochs=4, tasks={"up": TASK, "down": {**TASK, "start": 0.5}})
    with mock.patch("composer.recipes.learning_rates.learning_rate", side_effect=learning_rate) as asked:
        train_epochs(Line(), data(), late)
        rates = [(call.args[0], call.kwargs["steps"]) for call in asked.call_args_list]
    assert rates == [(step, 30) for step in range(30)]


def test_a_task_that_is_alone_starts_at_once_whatever_its_start() -> None:
    alone = recipe(epochs=2, tasks={"down": {**TASK, "start": 0.9}})
    assert [list(result.losses) for result in train_epochs(Line(), {"down": Points()}, alone)] == [
        ["down"]
    ] * 2


def test_a_restart_after_the_end_of_a_shorter_run_is_left_out() -> None:
    assert len(train_epochs(Line(), data(), recipe(epochs=2, restarts=[4]))) == 2
