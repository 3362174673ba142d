"""Random numbers of a run: those of torch, numpy and Python, kept, given back, and drawn from a place in the data.

Data that draws (augmentation) does so from where it stands in the run, not from what was drawn before it: a batch is
the same one after a resumption, and in whichever process it is read.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from composer.training.numerics import device_random_state

__all__ = ["drawing_from", "kept_random", "random_states", "restore_random", "seed_all"]


def seed_all(*key: int | str) -> None:
    """Seed the three on the processor; a device's own numbers are left alone where `key` is more than a seed."""
    seed = zlib.crc32(repr(key).encode())
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)


@contextmanager
def drawing_from(*key: int | str) -> Iterator[None]:
    """Inside, whoever draws from a global generator draws what the key decides; after it, all is as before."""
    with kept_random():
        seed_all(*key)
        yield


@contextmanager
def kept_random(*devices: torch.device) -> Iterator[None]:
    """Whatever is drawn inside, on the devices too, those who draw after it do not notice."""
    on_devices = [(device, torch.cuda.get_rng_state(device)) for device in devices]
    before = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.default_generator.set_state(before[2])
        for device, state in on_devices:
            torch.cuda.set_rng_state(state, device)


def random_states(device: torch.device) -> dict[str, Any]:
    """All of them, as tensors and plain values, for a checkpoint."""
    version, numbers, gauss = random.getstate()
    name, keys, place, has_gauss, cached = np.random.get_state()
    return {
        "random": torch.get_rng_state(),
        "random_on_device": device_random_state(device),
        "random_elsewhere": {
            "python": [version, list(numbers), gauss],
            "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), place, has_gauss, cached],
        },
    }


def restore_random(stored: dict[str, Any], devices: list[torch.device]) -> None:
    """Put back what `random_states` gave. Raises whatever an entry that holds something else raises."""
    version, numbers, gauss = stored["random_elsewhere"]["python"]
    name, keys, *rest = stored["random_elsewhere"]["numpy"]
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(stored["random"])
    if (own := stored.get("random_on_device")) is not None:
        for device in devices:
            torch.cuda.set_rng_state(own, device)
