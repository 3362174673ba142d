"""What others have published, on this machine: files of installed packages and of Hub repositories.

`hub_repository` and `packages` are imported by who reads them: a check of most documents reads neither.
"""

from composer.published.one_line import HUB, HUB_TEXT, PACKAGE

__all__ = ["HUB", "HUB_TEXT", "PACKAGE"]
