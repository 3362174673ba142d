"""How a published file or folder is written on one line."""

from __future__ import annotations

import re

__all__ = ["HUB", "HUB_TEXT", "PACKAGE"]

PACKAGE, HUB = "package:", "hub:"
"""How a source on one line begins that is not a file: `package:name/file`, `hub:owner/name@revision/file`."""

HUB_TEXT = re.compile(r"(?P<hub>[^/@]+/[^/@]+)(?:@(?P<revision>[^/]+))?(?:/(?P<file>.+))?")
"""What stands behind `hub:`."""
