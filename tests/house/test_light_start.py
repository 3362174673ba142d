"""What a document is written and checked with starts without torch: each command in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENT = """\
composer: 1
tasks:
  embed:
    inputs:
      text: {modality: text, with: {tokenizer: bert-uncased}}
    nodes:
      copy: {uses: core.concat, inputs: {first: text.tokens, second: text.tokens}}
    outputs: {copy: copy.states}
"""

PROBE = """
import sys
from composer.cli import main
code = main(sys.argv[1:])
heavy = {"torch", "numpy", "av", "PIL", "tokenizers", "sklearn"} & set(sys.modules)
print("HEAVY", sorted(heavy), "CODE", code)
"""


def heavy_modules(arguments: list[str], folder: Path) -> tuple[str, int]:
    """What a command imported of the libraries that only building and running need, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    heavy, code = done.stdout.rsplit("HEAVY ", 1)[1].split(" CODE ")
    return heavy, int(code)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["check", "--help"], 0),
        (["run", "--help"], 0),
        (["train", "--help"], 0),
        (["check", "document.yaml"], 1),
        (["check", "quickstart"], 0),
        (["show", "quickstart"], 0),
        (["show", "quickstart", "--resolved"], 0),
        (["show", "quickstart", "--plan"], 0),
        (["explain"], 0),
        (["explain", "C203"], 0),
        (["plugins", "list"], 0),
        (["plugins", "show", "core.linear"], 0),
        (["schema"], 0),
        (["schema", "--recipe"], 0),
        (["check", "recipe.yaml"], 1),
        (["new", "fresh.yaml"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_command_that_only_reads_starts_without_torch(
    arguments: list[str], code: int, tmp_path: Path
) -> None:
    (tmp_path / "document.yaml").write_text(DOCUMENT)
    (tmp_path / "recipe.yaml").write_text(
        "document: quickstart\nepochs: 0\nlearning_rate: 1\ntasks: {a: {}}\n"
    )
    assert heavy_modules(arguments, tmp_path) == ("[]", code)


def test_importing_the_package_imports_no_torch() -> None:
    code = "import composer, sys; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
