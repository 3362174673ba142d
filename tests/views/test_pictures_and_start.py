"""The pictures in the documentation are those of the shipped documents, and views start without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from composer.graph import check
from composer.plugin import load_registry
from composer.views.picture import svg_text

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
FIRST_PARTY = ("core", "text", "vision", "mplug2", "quickstart", "graphs")


@pytest.mark.parametrize(
    ("picture", "document", "tasks"),
    [
        ("mplug2", "mplug2", None),
        ("mplug2-video-qa", "mplug2", ["video-qa"]),
        ("quickstart", "quickstart", None),
    ],
)
def test_a_picture_of_the_documentation_is_up_to_date(
    picture: str, document: str, tasks: list[str] | None
) -> None:
    report = check(document, registry=load_registry(only=FIRST_PARTY)).raise_for_errors()
    shipped = (PICTURES / f"{picture}.svg").read_text(encoding="utf-8")
    target = document if tasks is None else f"{document}:{tasks[0]}"
    assert shipped == svg_text(report, tasks), (
        f"run `composer show {target} --picture docs/pictures/{picture}.svg`"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "mplug2"],
        ["show", "mplug2", "--resolved"],
        ["show", "mplug2", "--plan"],
        ["show", "mplug2", "--picture", "mermaid"],
        ["show", "mplug2", "--picture", "out.svg"],
        ["schema"],
    ],
)
def test_views_need_no_torch(arguments: list[str], tmp_path: Path) -> None:
    call = f"code = main({arguments!r}); sys.exit(code or 'torch' in sys.modules)"
    code = f"import sys; from composer.cli import main; {call}"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
