"""Writing is all or nothing, equal inputs give equal files, and weights are stored once for all tasks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import composer_compile
import pytest
from composer_compile.errors import CompileError
from composer_compile.manifest import manifest_schema, read_manifest
from composer_compile.summary import Sharing

SLOW = """
import sys, time
import composer_compile.compiling as compiling

def wait(self, manifest, prepared):
    print("written", flush=True)
    time.sleep(60)

compiling._Job._compare = wait
compiling.compile_document(sys.argv[1], sys.argv[2], weights=sys.argv[3], tasks=["classify"])
"""


@pytest.mark.parametrize("older", [False, True], ids=["new", "over an older artifact"])
def test_a_killed_compile_leaves_no_half_artifact(
    small: Any, copied: Path, tmp_path: Path, older: bool
) -> None:
    """Killed when everything but the manifest is written."""
    target = copied if older else tmp_path / "target"
    before = (copied / "manifest.json").read_bytes()
    command = [sys.executable, "-c", SLOW, str(small.document), str(target), str(small.weights)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    left = [path for path in target.parent.iterdir() if path.suffix == ".part"]
    assert left  # the process had no time to clean up, and what is left bears another name
    if older:
        assert (target / "manifest.json").read_bytes() == before
        composer_compile.load(target).close()
    else:
        assert not target.exists()


def test_a_failed_compile_leaves_nothing(small: Any, tmp_path: Path) -> None:
    options = composer_compile.Options(ranges={"question.length": "2..40"})
    with pytest.raises(CompileError, match="encode"):
        composer_compile.compile_document(
            small.document, tmp_path / "out", tasks=["classify"], weights=small.weights, options=options
        )
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_no_artifact_is_not_replaced(small: Any, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CompileError, match="exists and is no artifact"):
        composer_compile.compile_document(small.document, tmp_path, weights=small.weights)


def test_equal_inputs_give_equal_files(small: Any, tmp_path: Path) -> None:
    for name in ("one", "two"):
        composer_compile.compile_document(
            small.document, tmp_path / f"{name}.zip", tasks=["classify"], weights=small.weights
        )
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with composer_compile.load(tmp_path / "one.zip") as artifact:
        raw = {"question": "what is it"}
        found = artifact.run("classify", **raw)["scores"]
        assert found.tolist() == pytest.approx(
            small.model.run("classify", **raw)["scores"].tolist(), abs=1e-5
        )


def test_weights_are_stored_once_for_all_tasks(small: Any) -> None:
    manifest = read_manifest((small.artifact / "manifest.json").read_bytes(), "it")
    shared = Sharing(manifest)
    named = [name for weight in manifest.weights.values() for name in weight.names]
    assert len(named) == len(set(named))
    everything = {
        f"{m}.{n}" for m, module in small.model.modules.items() for n, _ in module.named_parameters()
    }
    assert everything - set(named) <= {
        "text.embeddings.token_types.weight",
        "decoder.embeddings.token_types.weight",
    }
    assert shared.saved > 0
    stored = (small.artifact / "weights.safetensors").stat().st_size
    assert shared.stored <= stored <= shared.stored + 200 * len(manifest.weights) + 1000
    assert max(shared.tasks.values()) < shared.stored < sum(shared.tasks.values())


def test_programs_hold_no_weights_and_no_paths(small: Any) -> None:
    weights = (small.artifact / "weights.safetensors").read_bytes()
    marker = weights[-64:]
    for path in small.artifact.rglob("*"):
        if path.is_file() and path.name != "weights.safetensors":
            content = path.read_bytes()
            assert marker not in content
            assert str(small.document.parent).encode() not in content
            assert b"site-packages" not in content


def test_the_manifest_follows_its_schema(small: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    data = json.loads((small.artifact / "manifest.json").read_text())
    jsonschema.validate(data, manifest_schema())
    shipped = Path(composer_compile.__file__).with_name("manifest.schema.json")
    assert json.loads(shipped.read_text()) == manifest_schema()


def test_inspect_needs_no_torch(small: Any) -> None:
    code = (
        "import sys\nfrom composer.cli import main\n"
        f"code = main(['inspect', {str(small.artifact)!r}])\n"
        "assert not {'torch', 'numpy'} & set(sys.modules)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "small: 3 tasks" in done.stdout
    assert "each stored once" in done.stdout
    assert "task video-qa (fp32" in done.stdout


def test_there_are_no_times_in_an_artifact(small: Any) -> None:
    year = time.strftime("%Y-").encode()
    assert year not in (small.artifact / "manifest.json").read_bytes()
