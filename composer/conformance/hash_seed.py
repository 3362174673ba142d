"""The samples of a dataset in another process, in which texts have other hashes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from composer.plugin.declarations import Config

__all__ = ["samples_elsewhere"]

_PROCESS = """\
import pickle, sys
from importlib import import_module

path, builder, (module, name), values, places = pickle.load(sys.stdin.buffer)
answer, sys.stdout = sys.stdout.buffer, sys.stderr
sys.path[:] = path

def named(module, name):
    found = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found

dataset = named(*builder)(named(module, name).model_validate_json(values))
found = {}
for split, own in places.items():
    samples = dataset.samples(split)
    found[split] = len(samples), {place: samples[place] for place in own if place < len(samples)}
pickle.dump(found, answer)
"""
_LONGEST_S = 300.0


def samples_elsewhere(
    builder: str, config: Config, places: Mapping[str, Sequence[int]]
) -> Mapping[str, tuple[int, Mapping[int, Any]]] | None:
    """Of each split its number of samples, and those at `places`; None where another process cannot give them.

    There a set of texts has another order than here, and whatever was made of that order is another.
    """
    module, _, name = builder.partition(":")
    kind = type(config)
    given = (
        sys.path,
        (module, name),
        (kind.__module__, kind.__qualname__),
        config.model_dump_json(),
        dict(places),
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROCESS],
            input=pickle.dumps(given),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            timeout=_LONGEST_S,
            check=True,
        )
        found: dict[str, tuple[int, dict[int, Any]]] = pickle.loads(done.stdout)  # of a process of ours
    except Exception:  # a class of a function, samples that cannot be sent: what was held here is all
        return None
    return found
