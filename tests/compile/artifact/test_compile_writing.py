"""Writing is all or nothing, equal inputs give equal files, and weights are stored once for all tasks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import composer_compile
import pytest
from composer_compile.artifact import writer
from composer_compile.artifact.manifest import FileEntry
from composer_compile.artifact.manifest_file import manifest_schema, read_manifest
from composer_compile.artifact.summary import Sharing
from composer_compile.backends.export_builder import ExportBuilder
from composer_compile.errors import CompileError
from composer_compile.runtime.artifact import SAMPLES
from composer_compile.tensors.specs import ProgramSpec

SLOW = """
import sys, time
import composer_compile.compiler as compiler
import composer_compile.artifact.writer as writer

def wait(*arguments, **options):
    print("there", flush=True)
    time.sleep(60)

place = {
    "before the weights": (compiler.WeightStore, "write"),
    "before the comparison": (compiler._Job, "_compare"),
    "before the manifest is complete": (compiler, "write_manifest"),
    "before it gets its name": (compiler, "put_in_place"),
    "while it gets its name": (writer, "_sync"),
    "while it is packed": (writer.shutil, "copyfileobj"),
}[sys.argv[4]]
setattr(*place, wait)
compiler.compile_document(
    sys.argv[1], sys.argv[2], weights=sys.argv[3], tasks=["classify"],
    options=compiler.Options(ranges={"batch": "2..2", "question.length": "3..3"}),
)
"""


@pytest.mark.parametrize(
    ("moment", "form"),
    [
        ("before the comparison", "new"),
        ("while it gets its name", "over an older artifact"),
        ("while it is packed", "zip"),
        pytest.param("before the weights", "new", marks=pytest.mark.slow),
        pytest.param("before the manifest is complete", "over an older artifact", marks=pytest.mark.slow),
        pytest.param("before it gets its name", "zip", marks=pytest.mark.slow),
    ],
)
def test_a_killed_compile_leaves_no_half_artifact(
    small: Any, copied: Path, tmp_path: Path, moment: str, form: str
) -> None:
    target = (
        copied
        if form == "over an older artifact"
        else tmp_path / ("target.zip" if form == "zip" else "target")
    )
    before = (copied / "manifest.json").read_bytes()
    command = [sys.executable, "-c", SLOW, str(small.document), str(target), str(small.weights), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    left = [path for path in target.parent.iterdir() if path.name not in (target.name, copied.name)]
    assert left  # the process had no time to clean up, and what is left bears another name
    assert all(path.name.startswith(".") and path.suffix == ".part" for path in left)
    if form == "over an older artifact":
        assert (target / "manifest.json").read_bytes() == before
        composer_compile.load(target).close()
    else:
        assert not target.exists()


def test_an_older_artifact_stays_where_the_new_one_cannot_take_its_place(
    small: Any, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if target == copied and not self.name.endswith(".old.part"):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    before = (copied / "manifest.json").read_bytes()
    options = composer_compile.Options(ranges={"batch": "2..2", "question.length": "3..3"})
    with pytest.raises(CompileError, match=rf"{copied} cannot be replaced: No space left on device"):
        composer_compile.compile_document(
            small.document, copied, tasks=["classify"], weights=small.weights, options=options
        )
    assert list(copied.parent.iterdir()) == [copied]
    assert (copied / "manifest.json").read_bytes() == before
    composer_compile.load(copied).close()


def test_a_failed_compile_leaves_nothing(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails when the first program is written already."""
    real = ExportBuilder.compile

    def fails(self: ExportBuilder, spec: ProgramSpec, *more: Any) -> Any:
        if spec.name.endswith(".decode"):
            (folder,) = tmp_path.iterdir()
            assert list(folder.glob("artifact/programs/*"))
            raise CompileError(f"stage {spec.name} cannot be built")
        return real(self, spec, *more)

    monkeypatch.setattr(ExportBuilder, "compile", fails)
    with pytest.raises(CompileError, match=r"caption\.decode cannot be built"):
        composer_compile.compile_document(
            small.document, tmp_path / "out", tasks=["caption"], weights=small.weights
        )
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_no_artifact_is_not_replaced(small: Any, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CompileError, match="exists and is not an artifact"):
        composer_compile.compile_document(small.document, tmp_path, weights=small.weights)


ELSEWHERE = """
import sys
from composer.cli import main
document, weights, out = sys.argv[1:]
sys.exit(main(["compile", f"{document}:classify", "--weights", weights, "--out", out]))
"""


@pytest.mark.slow
def test_equal_inputs_give_equal_files(small: Any, tmp_path: Path) -> None:
    """Also in another process, from another folder, with another order of sets."""
    composer_compile.compile_document(
        small.document, tmp_path / "one.zip", tasks=["classify"], weights=small.weights
    )
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(small.document.parent, elsewhere, ignore=shutil.ignore_patterns("artifact"))
    names = [elsewhere / small.document.name, elsewhere / small.weights.name, tmp_path / "two.zip"]
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *map(str, names)],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with composer_compile.load(tmp_path / "one.zip") as artifact:
        raw = {"question": "what is it"}
        found = artifact.run("classify", **raw)["scores"]
        assert found.tolist() == pytest.approx(
            small.model.run("classify", **raw)["scores"].tolist(), abs=1e-5
        )


def test_weights_are_stored_once_for_all_tasks(small: Any) -> None:
    manifest = read_manifest((small.artifact / "manifest.json").read_bytes(), "it")
    shared = Sharing.of_weights(manifest)
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
    shipped = Path(composer_compile.__file__).parent / "artifact" / "manifest.schema.json"
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


def test_no_file_of_an_artifact_holds_a_path_of_this_machine(small: Any, tmp_path: Path) -> None:
    """Nor does the recorded command, where a setting is an absolute path."""
    words = small.document.with_name("words.txt")
    document = tmp_path / "set.yaml"
    text = small.document.read_text().replace("tokenizer: words.txt", "tokenizer: $list")
    document.write_text(text.replace("words: 35}", "words: 35, list: elsewhere.txt}"))
    manifest = composer_compile.compile_document(
        document,
        tmp_path / "out",
        tasks=["classify"],
        weights=small.weights,
        settings={"list": str(words), "words": 35},
    )
    flags = "--weights weights.safetensors --set list=words.txt --set words=35"
    assert manifest.command.endswith(f"set.yaml:classify --backend export {flags}")
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(str(folder).encode() in content for folder in (words.parent, tmp_path)), path
    with composer_compile.load(tmp_path / "out") as artifact, composer_compile.load(small.artifact) as whole:
        ours, theirs = (each.run("classify", question="what is it")["scores"] for each in (artifact, whole))
        assert ours.tolist() == pytest.approx(theirs.tolist(), rel=1e-4)


def test_every_file_is_hashed_once(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights may be many gigabytes; what is written after the comparison is the samples alone."""
    hashed: list[str] = []

    class Noted:
        """Stands in the place of a manifest's entry, which is made of a hash."""

        def __call__(self, **fields: Any) -> Any:
            hashed.append(fields["sha256"])
            return FileEntry(**fields)

    monkeypatch.setattr(writer, "FileEntry", Noted())
    manifest = composer_compile.compile_document(
        small.document,
        tmp_path / "out",
        weights=small.weights,
        tasks=["classify"],
        options=composer_compile.Options(ranges={"batch": "2..2", "question.length": "3..3"}),
    )
    assert SAMPLES in manifest.files
    assert list(manifest.files) == sorted(manifest.files)
    assert sorted(hashed) == sorted(entry.sha256 for entry in manifest.files.values())
    composer_compile.load(tmp_path / "out").close()
