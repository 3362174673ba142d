"""Asking the installed timm about one model: a child process builds it without weights, and the answer is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from composer.plugin import remembered
from composer.problems import InputError
from composer_timm.facts import installed_version

__all__ = ["asked"]

SECONDS = 120.0
"""How long one model may take; the largest of timm take a tenth of it."""


def asked(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The facts of a model as a map. Raises InputError, in a sentence, where timm does not build it."""
    version = installed_version()
    if version is None:
        raise InputError(
            f"nothing is known of {name} at these options, and timm is not installed: pip install timm"
        )
    key = f"timm {version} {json.dumps([name, options], sort_keys=True)}"
    return remembered("timm", key, lambda: _from_child(name, options))


def _from_child(name: str, options: dict[str, Any]) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "composer_timm.probing", json.dumps([name, options])]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"building {name} without weights took more than {SECONDS:.0f} seconds") from None
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise InputError(f"timm {installed_version()} does not build {name}{_shown(options)}: {reason}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def _shown(options: dict[str, Any]) -> str:
    said = ", ".join(f"{key} {value}" for key, value in options.items())
    return f" with {said}" if said else ""
