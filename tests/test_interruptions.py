"""Ctrl-C and a KeyboardInterrupt that foreign code raises are told apart."""

from __future__ import annotations

import signal

import pytest

from composer.interruptions import is_interruption, telling_interruptions


@pytest.fixture(autouse=True)
def usual() -> object:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_is_an_interruption_and_a_bare_exception_is_none() -> None:
    with telling_interruptions():
        with pytest.raises(KeyboardInterrupt) as caught:
            signal.raise_signal(signal.SIGINT)
        assert is_interruption(caught.value)
        assert not is_interruption(KeyboardInterrupt())
        assert not is_interruption(SystemExit(0))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert is_interruption(KeyboardInterrupt())  # nobody can tell


def test_a_handler_of_somebody_else_stays() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    with telling_interruptions():
        signal.raise_signal(signal.SIGINT)
    assert heard == [signal.SIGINT]


def test_where_it_is_ignored_no_exception_comes_of_it() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with telling_interruptions():
        assert not is_interruption(KeyboardInterrupt())
