"""Whether a clip's or a recording's file is as long as its container says, and unbroken: found by walking headers, not
by decoding.
"""

from __future__ import annotations

from composer.media.structure.container_file import Verdict
from composer.media.structure.examining import check_whole, examine
from composer.media.structure.jpegs import whole_pictures

__all__ = ["Verdict", "check_whole", "examine", "whole_pictures"]
