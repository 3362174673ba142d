"""The two pages on compiling: every block runs, in order and in one folder, and the artifact is what they say."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import composer_compile
import pytest
from pages import DOCS, Block, blocks

import composer
from composer.cli import main
from composer.graph import check

PAGES = ("compile.md", "compile_reference.md")
BLOCKS = [block for page in PAGES for block in blocks(page)]
MEDIA = Path(__file__).parents[2] / "examples" / "quickstart"
HELD = re.compile(r"(shown|needs): ")
"""Comments of blocks that are not run wherever this test runs: `shown: why`, and `needs: package`."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the blocks run, with the pictures that they name."""
    place = tmp_path_factory.mktemp("deploying")
    shutil.copytree(MEDIA, place / "examples" / "quickstart")
    before = Path.cwd()
    os.chdir(place)
    yield place
    os.chdir(before)


def commands(block: Block) -> list[list[str]]:
    """The command lines of a bash block, without their comments."""
    found = [shlex.split(line, comments=True) for line in block.text.replace("\\\n", " ").splitlines()]
    assert all(command[0] == "composer" for command in found if command)
    return [command[1:] for command in found if command]


def run_python(block: Block) -> None:
    """Run a block; a call with a comment `# {...}` gives that."""
    lines = block.text.splitlines()
    names: dict[str, Any] = {}

    def called(line: int, value: Any) -> Any:
        promised = re.search(r"# (\{.*\})$", lines[line - 1])
        assert promised is None or value == ast.literal_eval(promised[1])
        return value

    class Watched(ast.NodeTransformer):
        def visit_Expr(self, node: ast.Expr) -> ast.Expr:
            watch = ast.Name("called", ast.Load())
            return ast.Expr(ast.Call(watch, [ast.Constant(node.lineno), node.value], []))

    tree = ast.fix_missing_locations(Watched().visit(ast.parse(block.text)))
    exec(compile(tree, f"block:{block.line}", "exec"), {"__name__": "block", "called": called}, names)


def run_bash(block: Block) -> None:
    needed = block.comment.removeprefix("needs: ") if block.comment.startswith("needs: ") else None
    if needed is not None and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    for command in commands(block):
        if needed is None:
            assert main(command) == 0
            continue
        # In a process of its own: such packages change torch when they are imported.
        code = f"import sys\nfrom composer.cli import main\nsys.exit(main({command!r}))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
@pytest.mark.parametrize(
    "block", BLOCKS, ids=[f"{page} line {block.line}" for page in PAGES for block in blocks(page)]
)
def test_a_block_runs(block: Block, folder: Path) -> None:
    if block.comment.startswith("shown: "):
        pytest.skip(block.comment)
    if block.language == "bash":
        run_bash(block)
    elif block.language == "python":
        run_python(block)
    else:
        assert block.language == "yaml"
        (folder / "block.yaml").write_text(block.text)
        report = check("block.yaml")
        assert report.problems == ()


def test_hardly_a_block_is_held_back() -> None:
    held = [block for block in BLOCKS if block.comment]
    assert all(HELD.match(block.comment) for block in held)
    assert len(BLOCKS) - len(held) >= 7


ALONE = """
import importlib.abc, importlib.machinery, json, pathlib, sys

PLUGINS = {"composer_core", "composer_text", "composer_vision", "composer_mplug2", "composer_quickstart"}

class ModelCode(importlib.abc.MetaPathFinder):
    blocked = 0

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in PLUGINS and path is not None:
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            if spec is not None and spec.origin and "nn.Module" in pathlib.Path(spec.origin).read_text():
                ModelCode.blocked += 1
                raise ImportError(f"{name} is model code")
        return None

sys.meta_path.insert(0, ModelCode())
for name in ("composer_mplug2.text_decoder", "composer_mplug2.vision_encoder", "composer_core.joining"):
    try:
        __import__(name)
    except ImportError:
        continue
    sys.exit(f"{name} was not blocked")

import torch, composer_compile

def never(*args, **kwargs):
    raise AssertionError("something was unpickled")

def audit(event, arguments):
    if event == "pickle.find_class":
        never()

blocked = ModelCode.blocked
sys.addaudithook(audit)
torch.load = torch.serialization.load = never
artifact = composer_compile.load(sys.argv[1])
answers = {task: artifact.run(task, **raw) for task, raw in json.loads(sys.argv[2]).items()}
assert ModelCode.blocked == blocked, "model code was asked for"
print(json.dumps(answers))
"""


def test_it_answers_alone_and_nothing_is_unpickled(folder: Path) -> None:
    """In a process where no file of a plugin that holds a torch module can be imported: all three tasks."""
    question = ["what color is the shape?", "is there a circle?"]
    picture, clip = "examples/quickstart/picture.png", "examples/quickstart/clip.mp4"
    raw: dict[str, dict[str, Any]] = {
        "image-qa": {"image": [picture, picture], "question": question},
        "image-caption": {"image": picture},
        "video-caption": {"video": clip},
    }
    command = [sys.executable, "-c", ALONE, "dist/quickstart", json.dumps(raw)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    live = composer.load("quickstart")
    assert json.loads(done.stdout) == {task: live.run(task, **values) for task, values in raw.items()}


def test_running_writes_nothing_but_the_vocabulary_of_a_zip(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither into the artifact nor elsewhere; what a zip must unpack is a vocabulary, and goes when it is closed."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def seen() -> dict[Path, tuple[int, int, int]]:
        stats = {path: path.stat() for path in Path("dist").rglob("*")}
        return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}

    before = seen()
    for name, unpacked in (("dist/quickstart", []), ("dist/captions.zip", ["quickstart.words.txt"])):
        with composer_compile.load(name) as artifact:
            answer = artifact.run("image-caption", image="examples/quickstart/picture.png")
            assert answer == {"caption": "a blue rectangle"}
            files = [path.name.partition("-")[2] for path in temporary.rglob("*") if path.is_file()]
            assert files == unpacked
        assert list(temporary.iterdir()) == []
    assert seen() == before


def test_the_blocks_wrote_what_the_page_says(folder: Path) -> None:
    """After the blocks: the table of files, and the pictures of the plan."""
    page = (DOCS / "compile_reference.md").read_text(encoding="utf-8")
    table = page.partition("## What is in an artifact")[2].partition("`manifest.schema.json`")[0]
    named = {re.sub(r"<.*", "", name) for name in re.findall(r"^\| `([^`]+)`", table, re.M)}
    written = {
        name if "/" not in name else f"{name.partition('/')[0]}/"
        for path in (folder / "dist" / "quickstart").rglob("*")
        if path.is_file() and (name := path.relative_to(folder / "dist" / "quickstart").as_posix())
    }
    assert named == written
    assert (folder / "plan.html").is_file()
    assert (folder / "dist" / "captions.zip").is_file()
