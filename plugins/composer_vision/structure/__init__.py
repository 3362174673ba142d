"""Whether a clip's file is as long as its container says, and unbroken: found by walking headers, not by decoding."""

from __future__ import annotations

from composer_vision.structure.examining import examine
from composer_vision.structure.walking import Verdict

__all__ = ["Verdict", "examine"]
