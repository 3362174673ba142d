"""docs/plugins/sound.md: its files are those of the example, its commands run, and it uses nothing private."""

from __future__ import annotations

import ast
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_environments import fresh_environment
from pages import Block, blocks, files_of, run_block

from composer.cli import main
from composer.conformance import check_plugin

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "plugin_sound"
BLOCKS = blocks("plugins/sound.md")
FILES = files_of(BLOCKS)
QUICK = [block for block in BLOCKS if block.comment in ("", "compile", "new")]
PUBLIC = ("composer", "composer.types", "composer.problems", "composer.plugin", "composer.conformance")
needs_voices = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is not installed: apt install espeak-ng"
)
SMALL = """\
epochs: 1
learning_rate: 1e-3
tasks:
  hear:
    dataset: sound.spoken_digits
    with: {takes: 1, voices: 1, folder: voices}
    fields: {truth: class}
    batch: 4
    output: scores
    reference: class
    metrics: {accuracy: sound.accuracy}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of its own, with the example installed beside it."""
    place = tmp_path_factory.mktemp("sound")
    site = place / "site"
    shutil.copytree(EXAMPLE / "composer_sound", site / "composer_sound")
    info = site / "composer_sound-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: composer-sound\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[composer]\nsound = composer_sound\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        patch.chdir(place)
        yield place
    for name in [name for name in sys.modules if name.partition(".")[0] == "composer_sound"]:
        del sys.modules[name]


def test_every_file_of_the_page_is_the_file_of_the_example() -> None:
    assert len(FILES) >= 10
    for name, text in FILES.items():
        assert (EXAMPLE / name).read_text(encoding="utf-8") == text, name


def test_every_module_of_the_example_is_on_the_page() -> None:
    assert {f"composer_sound/{path.name}" for path in (EXAMPLE / "composer_sound").glob("*.py")} <= set(FILES)


@pytest.mark.parametrize("block", QUICK, ids=lambda block: f"line {block.line}")
def test_a_block_runs(block: Block, folder: Path) -> None:
    run_block(block, "plugins/sound.md")


def test_every_block_is_of_a_sort_that_is_tested() -> None:
    others = {block.comment for block in BLOCKS if not files_of([block]) and block not in QUICK}
    assert others == {"voices", "slow"}


@needs_voices
def test_training_can_begin(folder: Path) -> None:
    (folder / "small.yaml").write_text(SMALL)
    assert main(["train", "spoken-digits", "--recipe", "small.yaml", "--task", "hear", "--check"]) == 0


def test_nothing_private_is_used() -> None:
    """Imports of the project are of its public packages, and of names that these list."""
    seen = 0
    for path in sorted(EXAMPLE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                top = name.partition(".")[0]
                if top != "composer" and not (top.startswith("composer_") and top != "composer_sound"):
                    continue
                seen += 1
                assert name in PUBLIC, f"{path.name} imports {name}"
                if isinstance(node, ast.ImportFrom):
                    listed = importlib.import_module(name).__all__
                    assert {each.name for each in node.names} <= set(listed), f"{path.name}: {name}"
    assert seen > 10


def test_where_the_synthesiser_is_missing_its_samples_are_skipped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("composer.conformance.datasets.which", lambda program: None)
    monkeypatch.setattr("composer.conformance.kit.PROMISES", ())  # those of the encoder run elsewhere
    (result,) = (r for r in check_plugin("sound").results if r.subject == "sound.spoken_digits")
    assert result.outcome == "skip"
    assert "made by `espeak-ng` (its `programs`), which is not installed" in result.reason


@pytest.mark.slow
def test_the_example_is_installed_and_passes_its_own_tests(tmp_path: Path) -> None:
    source = tmp_path / "plugin_sound"
    shutil.copytree(EXAMPLE, source)
    python = fresh_environment(tmp_path / "venv")
    install = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", str(source)]
    tests = ["pytest", "-q", "-p", "no:cacheprovider", str(source / "tests")]
    for command in (install, tests):
        done = subprocess.run(
            [python, "-m", *command], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@needs_voices
def test_a_short_training_hears_unseen_voices_better_than_the_baseline_is_by_chance(folder: Path) -> None:
    """A few epochs of one task; the whole recipe, of three tasks, gives the table of the page."""
    text = SMALL.replace("epochs: 1", "epochs: 5").replace("learning_rate: 1e-3", "learning_rate: 2e-3")
    (folder / "short.yaml").write_text(
        text.replace("takes: 1, voices: 1", "takes: 3").replace("batch: 4", "batch: 16")
    )
    command = ["train", "spoken-digits", "--recipe", "short.yaml", "--task", "hear", "--out", "runs/short"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "site"), *sys.path])}
    script = "import sys; from composer.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    scores = json.loads((folder / "runs" / "short.json").read_text())["scores"]
    assert scores["test"]["hear"]["samples"] == 240
    assert scores["test"]["hear"]["accuracy"] > 0.8
