"""Environments into which a test installs packages, and which find everything else where the tests run."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

__all__ = ["fresh_environment"]


def fresh_environment(folder: Path, *, without: tuple[str, ...] = ()) -> str:
    """A new virtual environment; the path of its Python. Packages of this one are found after its own.

    `without` names distributions of this one whose entry points must not be seen, such as an editable install.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    shown = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    own = Path(subprocess.run(shown, capture_output=True, text=True, check=True).stdout.strip())
    places = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *sys.path])
    found = [place for place in places if place and Path(place).is_dir() and place.endswith("-packages")]
    lines = [f"import site; site.addsitedir({place!r})" for place in found]
    (own / "of-the-tests.pth").write_text("\n".join(lines) + "\n")
    return str(python)
