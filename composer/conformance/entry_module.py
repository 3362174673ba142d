"""The promise that a plugin's entry module is light: judged by what it imports, for that is what every command pays,
and by what it leaves behind in the process.
"""

from __future__ import annotations

import json
import subprocess
import sys

from composer.conformance.report import Failure
from composer.conformance.shared_state import CHANGED, GIVE_BACK, LEFT
from composer.problems.endings import ending_of

__all__ = ["check_entry_module"]

HEAVY = (
    *(
        "torch",
        "torchvision",
        "torchaudio",
        "transformers",
        "timm",
        "tensorflow",
        "jax",
        "onnx",
        "tokenizers",
    ),
    *(
        "numpy",
        "scipy",
        "sklearn",
        "pandas",
        "pyarrow",
        "librosa",
        "soundfile",
        "PIL",
        "av",
        "cv2",
        "matplotlib",
    ),
    *("huggingface_hub", "datasets", "safetensors", "requests", "httpx"),
)
"""What implementations need and declarations do not."""
MOST_MODULES = 60
"""Modules of one other package that an entry module may bring along."""

_PROBE = """
import json, os, sys, threading, traceback
answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
sys.path[:] = json.loads(sys.argv[2])
found = {}
import composer.plugin

class Watch:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in found:
            frame = sys._getframe(1)
            while frame is not None and "importlib" in frame.f_code.co_filename:
                frame = frame.f_back
            found[top] = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else ""

sys.meta_path.insert(0, Watch())
before = set(sys.modules)
shared = {
    "the working directory": os.getcwd,
    "the standard streams": lambda: [id(each) for each in (sys.stdin, sys.stdout, sys.stderr)],
}
were = {name: read() for name, read in shared.items()}
errors = sys.stderr
try:
    __import__(sys.argv[1], fromlist=["_"])
except BaseException:
    print(traceback.format_exc(), file=errors, flush=True)
    os._exit(1)  # whatever threads it has left
counts = {}
for name in set(sys.modules) - before:
    top = name.partition(".")[0]
    counts[top] = counts.get(top, 0) + 1
own = {"composer", sys.argv[1].partition(".")[0], *sys.stdlib_module_names}
counts = {name: number for name, number in counts.items() if name not in own}
changed = [name for name, read in shared.items() if read() != were[name]]
left = [each for each in threading.enumerate() if each is not threading.main_thread() and not each.daemon]
for each in left:
    each.join(1)  # so long one may take that is about to end
left = [each.name for each in left if each.is_alive()]
print(json.dumps([counts, found, changed, left]), file=answer, flush=True)
os._exit(0)
"""


def check_entry_module(module_name: str) -> str:
    """Import the module in a fresh process, and look at what came with it."""
    arguments = [sys.executable, "-c", _PROBE, module_name, json.dumps(sys.path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        cause = (done.stderr.strip().splitlines() or [ending_of(done.returncode)])[-1]
        raise Failure(f"importing {module_name} fails in a fresh process: {cause}")
    counts, places, changed, left = json.loads(done.stdout.splitlines()[-1])
    importing = f"importing {module_name}"
    if left:
        raise Failure(LEFT.format(importing, left[0]))
    if changed:
        raise Failure(CHANGED.format(importing, ", ".join(changed), GIVE_BACK))
    heavy = [name for name in HEAVY if name in counts]
    if heavy:
        where = _short(places.get(heavy[0], ""))
        raise Failure(
            f"{importing} imports {heavy[0]}{where}, which every command pays; name "
            'implementations as "package.module:Name", and import what they need in their modules alone'
        )
    large = {name: count for name, count in counts.items() if count > MOST_MODULES}
    if large:
        name, count = max(large.items(), key=lambda item: item[1])
        where = _short(places.get(name, ""))
        raise Failure(
            f"{importing} imports {count} modules of {name}{where}, which every command pays: import it "
            "where it is used"
        )
    return f"imports no torch; {sum(counts.values())} modules of other packages"


def _short(place: str) -> str:
    """Where an import stands, by the name of the file."""
    file, _, line = place.rpartition(":")
    return f" ({file.replace(chr(92), '/').rpartition('/')[2]}:{line})" if file else ""
