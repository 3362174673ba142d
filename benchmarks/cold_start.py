"""Cold `composer check` of the mPLUG-2 documents, beside a Python that only imports what the checker stands on.

And that of a document with parts of timm and transformers and a prompt, beside the first document that `composer new`
writes, which asks questions about pictures with parts of this project alone.
"""

from __future__ import annotations

import functools
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.asking import DOCUMENT
from benchmarks.language import TINY, write_language_model
from benchmarks.measuring import Row, interleaved, ratio
from composer.cli import main

__all__ = ["measure"]

IMPORTS = "import networkx, pydantic, pluggy, yaml"
"""What the checker stands on: a document with a circle, or with a name that fits nowhere, needs networkx, too."""
FEWEST = "import pydantic, pluggy, yaml"
"""What is left of it where a document is right."""
CHECK = "import sys; sys.argv[1:] = ['check', {documents}]; from composer.cli import main; sys.exit(main())"


def measure(*, quick: bool) -> list[Row]:
    """Each run is a process of its own, with the bytecode of every module written, as an installed package has it."""
    rounds = 2 if quick else 21
    rows = []
    for documents in (("mplug2",), ("mplug2", "mplug2-base")):
        check = CHECK.format(documents=", ".join(map(repr, documents)))
        runs = {
            "check": functools.partial(_run, check),
            "imports": functools.partial(_run, IMPORTS),
            "fewest": functools.partial(_run, FEWEST),
        }
        for run in runs.values():
            run()
        times = interleaved(runs, rounds, _children)
        for name, code, budget in (("imports", IMPORTS, "<= 1.6"), ("fewest", FEWEST, "")):
            rows.append(
                Row(
                    f"`composer check {' '.join(documents)}`, cold",
                    statistics.median(times["check"]),
                    "s CPU",
                    f'`python -c "{code}"`',
                    statistics.median(times[name]),
                    ratio(times, "check", name),
                    budget,
                )
            )
    return [*rows, _of_libraries(rounds)]


def _of_libraries(rounds: int) -> Row:
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_language_model(folder, TINY, 4)
        text = DOCUMENT.format(backbone="vit_base_patch16_224", width=TINY["hidden_size"], places=196)
        documents = {"with": folder / "asking.yaml", "without": folder / "picture-qa.yaml"}
        documents["with"].write_text(text)
        main(["new", str(documents["without"])])
        checks = {
            each: functools.partial(_run, CHECK.format(documents=repr(str(path))))
            for each, path in documents.items()
        }
        for check in checks.values():
            check()
        times = interleaved(checks, rounds, _children)
    return Row(
        "`composer check` of a picture's question to parts of timm and transformers, cold",
        statistics.median(times["with"]),
        "s CPU",
        "one with parts of this project alone",
        statistics.median(times["without"]),
        ratio(times, "with", "without"),
        "<= 1.2",
    )


def _children() -> float:
    """Processor time of the processes that have ended, in seconds."""
    times = os.times()
    return times.children_user + times.children_system


def _run(code: str) -> None:
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=settings)
