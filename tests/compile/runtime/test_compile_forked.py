"""A process that is forked from one that computed can compute as well."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from compiled import Compiled

FORK = """
import faulthandler, os, sys, torch
import numpy as np
torch.set_num_threads(2)
what, path, weights = sys.argv[1:]
if what == "live":
    import composer
    model = composer.load(path, weights=weights)
else:
    import composer_compile
    model = composer_compile.load(path)
asked = lambda: model.run("classify", question="what")["scores"]
wide = torch.full((400, 400), 0.5)
here, product = asked(), wide @ wide  # large enough for several threads
child = os.fork()
if child == 0:
    faulthandler.dump_traceback_later(60, exit=True)  # it would wait for ever
    same = torch.allclose(asked(), here) and torch.allclose(wide @ wide, product)
    os._exit(0 if same else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("what", ["live", "artifact"])
def test_a_forked_process_answers(small: Compiled, what: str) -> None:
    path = small.document if what == "live" else small.artifact
    done = subprocess.run(
        [sys.executable, "-c", FORK, what, path, small.weights],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
