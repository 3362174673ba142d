"""How the values of options are read: what is not of its form is wrong usage, told by argparse."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = [
    "assignment",
    "device",
    "names",
    "picture_file",
    "positive",
    "seed",
    "size_range",
    "threads",
    "whole",
]

DEVICE_TYPES = (
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla", "lazy",
    "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone",
)  # fmt: skip
"""The kinds of devices that torch knows. Whether one is here, and computes, is found out when it is used."""


def positive(text: str) -> int:
    """Read a whole number above zero."""
    if not text.isdecimal() or not text.isascii() or int(text[:20]) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text[:20])


def seed(text: str) -> int:
    """Read a seed, which takes 63 bits."""
    number = whole(text)
    if number >= 1 << 63:
        raise argparse.ArgumentTypeError(f"{text!r} is more than 2**63 - 1, the largest seed")
    return number


def device(text: str) -> str:
    """Read the name of a device: `cuda`, `cuda:1`."""
    kind, colon, number = text.partition(":")
    if kind not in DEVICE_TYPES or (colon and not (number.isascii() and number.isdecimal())):
        raise argparse.ArgumentTypeError(f"{text!r} is not a device: write cpu, cuda or cuda:1")
    return text


def threads(text: str) -> int:
    """Read how many threads torch computes on; the bound is that of a recipe: above it a machine refuses them."""
    count = positive(text)
    if count > 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is more than 1024, the most that may be asked for")
    return count


def whole(text: str) -> int:
    """Read a whole number from zero up."""
    if not text.isdecimal() or not text.isascii():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from zero up")
    return int(text[:20])


def names(text: str) -> list[str]:
    """Read names of modules, separated by commas."""
    found = [name.strip() for name in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r}: write names of modules, separated by commas")
    return found


def assignment(text: str) -> tuple[str, str]:
    """Read `name=value`; the value may be empty and may hold further `=`."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=value")
    return name, value


def size_range(text: str) -> tuple[str, str]:
    """Read `name=1..32, best 8`."""
    from composer.graph.ranges import parse_range

    name, value = assignment(text)
    try:
        parse_range(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"range of `{name}`: {error}") from None
    return name, value


def picture_file(text: str) -> Path:
    """Read the name of a picture, whose ending tells the format."""
    from composer.views.picture import SUFFIXES

    path = Path(text)
    if path.suffix.lower() not in SUFFIXES:
        endings = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise argparse.ArgumentTypeError(f"{text!r}: write a name that ends in {endings}")
    return path
