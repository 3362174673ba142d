"""Compile `answer.yaml`, ask the artifact where neither timm nor transformers is installed, and compare answers.

python examples/gallery/alone.py --weights examples/gallery/runs/answer.safetensors
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import composer_compile

import composer
from composer.weights import save_weights

__all__ = ["LIBRARIES", "ask_alone", "environment_without", "fresh_parts"]

HERE = Path(__file__).parent
PICTURE = HERE.parent / "quickstart" / "picture.png"
QUESTIONS = (
    "what is the blue shape?",
    "what color is the rectangle?",
    "is there a circle?",
    "does the image contain a rectangle?",
    "is there a green shape in the image?",
    "what shape is present?",
)
FRESH = ("inner", "outer")
LIBRARIES = ("timm", "transformers")

ASK = """\
import json, sys, time
from importlib.util import find_spec

libraries, artifact, picture, questions = json.loads(sys.stdin.read())
there = [name for name in libraries if find_spec(name)]
begin = time.process_time()
import composer_compile

model = composer_compile.load(artifact)
answers = [model.run("answer", image=picture, prompt=questions[0])["answer"]]
first = time.process_time()
answers += [model.run("answer", image=picture, prompt=question)["answer"] for question in questions[1:]]
per_answer = (time.process_time() - first) / max(len(questions) - 1, 1)
print(json.dumps({"there": there, "answers": answers, "first_s": first - begin, "then_s": per_answer}))
"""


def environment_without(names: Sequence[str], folder: Path) -> str:
    """A new virtual environment that has what this one has, but for the packages `names`; the path of its Python.

    What is installed is linked to, not copied, so that this takes a second.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    shown = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    own = Path(subprocess.run(shown, capture_output=True, text=True, check=True).stdout.strip())
    places = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *sys.path])
    for place in places:
        if not place.endswith("-packages"):
            continue
        for entry in Path(place).iterdir():
            left_out = any(entry.name == name or entry.name.startswith(f"{name}-") for name in names)
            if not left_out and not (own / entry.name).exists() and not _leads_elsewhere(entry):
                (own / entry.name).symlink_to(entry)
    return str(python)


def _leads_elsewhere(entry: Path) -> bool:
    """Whether a `.pth` would bring the packages of another folder, and with them those that are left out."""
    return entry.suffix == ".pth" and "-packages" in entry.read_text(encoding="utf-8", errors="replace")


def ask_alone(
    python: str, artifact: Path, picture: Path = PICTURE, questions: Sequence[str] = QUESTIONS
) -> dict[str, Any]:
    """What the artifact answers in the environment of `python`, which of the libraries are there, and what it took.

    Seconds are of the processor, on one thread, so that they say the same on a machine that has other work.
    """
    given = json.dumps([LIBRARIES, str(artifact.absolute()), str(picture.absolute()), list(questions)])
    done = subprocess.run(
        [python, "-c", ASK],
        input=given,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def fresh_parts(document: Path, file: Path) -> dict[str, Path]:
    """Sources of the parts that nobody trained yet, so that the artifact and the live model have the same ones."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        modules = composer.load(document).modules
        save_weights({name: modules[name] for name in FRESH}, file)
    return dict.fromkeys(FRESH, file)


def main() -> None:
    """Compile where there is no artifact yet, ask, compare, and write what was found beside the artifact."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--weights", type=Path, help="what was trained (default: fresh parts, whose answers mean nothing)"
    )
    parser.add_argument("--artifact", type=Path, default=HERE / "runs" / "answer-artifact")
    asked = parser.parse_args()
    document = HERE / "answer.yaml"
    weights: Any = asked.weights or fresh_parts(document, asked.artifact.with_suffix(".fresh.safetensors"))
    if not asked.artifact.exists():
        composer_compile.compile_document(document, asked.artifact, weights=weights, progress=print)
    with tempfile.TemporaryDirectory() as folder:
        found = ask_alone(environment_without(LIBRARIES, Path(folder) / "environment"), asked.artifact)
    model = composer.load(document, weights=weights)
    live = [model.run("answer", image=str(PICTURE), prompt=question)["answer"] for question in QUESTIONS]
    facts = {
        "trained": asked.weights is not None,
        "libraries": found["there"],
        "questions": len(QUESTIONS),
        "same": sum(map(str.__eq__, found["answers"], live)),
        "bytes": sum(path.stat().st_size for path in asked.artifact.rglob("*") if path.is_file()),
        "first_s": round(found["first_s"], 2),
        "then_s": round(found["then_s"], 3),
    }
    print(json.dumps({**facts, "answers": found["answers"]}))
    asked.artifact.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if found["there"] or facts["same"] != facts["questions"]:
        raise SystemExit(f"the artifact did not answer alone as the live model does: {live}")


if __name__ == "__main__":
    main()
