"""Sources of modules on the command line, in artifacts and in training."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import composer_compile
import pytest
import tiny_data
import torch
from sourced import Tensors, below, save

from composer.cli import main
from composer.training import check_training, train_document

Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("arguments", "module", "stem"),
    [
        (["--weights", "whole.safetensors"], "second", "whole"),
        (
            ["--weights", "whole.safetensors", "--weights", "second=pair.pth", "--root", "second=ema"],
            "second",
            "pair",
        ),
        (["--weights", "second=pair.pth", "--root", "second=ema", "--init", "first,third"], "second", "pair"),
    ],
    ids=len,
)
def test_the_command_line_names_one_for_all_and_others_for_modules(
    write: Write,
    tensors: Tensors,
    arguments: list[str],
    module: str,
    stem: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save("whole.safetensors", tensors)
    save("pair.pth", below(tensors, "second"), step=1)
    main(["run", str(write()) + ":whole", "x=x.npy", "--loading-report", *arguments])  # which takes no array
    report, _, _ = capsys.readouterr().err.partition("composer: error: an input of modality `array`")
    assert f"{stem}." in next(
        line for line in report.splitlines() if f"{stem}." in line or f" {module} " in line
    )
    assert "does not fit" not in report


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "a", "--weights", "b"], "--weights is given twice for the whole document, a and b"),
        (["--weights", "first=a", "--weights", "first=b"], "--weights is given twice for `first`, a and b"),
        (["--weights", "frist=a"], "parts has no module `frist`; did you mean `first`?"),
        (["--weights", "gone.pth"], "gone.pth: there is no such file"),
        (["--layout", "first=mplug2"], "--layout first=mplug2 belongs to --weights first=FILE"),
        ([], "parts ships no weights: name a checkpoint"),
    ],
    ids=str,
)
def test_what_the_command_line_cannot_mean_is_one_sentence_and_imports_no_torch(
    write: Write,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(
        sys.modules, "composer.execution", None
    )  # importing it would be told as another error
    code = 2 if "given twice" in message else 1
    assert main(["run", str(write()), "x=x.npy", *arguments]) == code
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_checking_opens_no_file_and_imports_no_library(write: Write) -> None:
    document = write("gone.safetensors", f"{{hub: o/m, revision: {'ab' * 20}}}", "package:none/x.pth")
    code = (
        "import sys; from composer.cli import main; code = main(['check', sys.argv[1]]); "
        "sys.exit(code or bool({'torch', 'huggingface_hub', 'safetensors'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code, str(document)], check=True, capture_output=True)


def test_an_artifact_says_where_its_weights_came_from(
    write: Write, tensors: Tensors, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save("sub/first.safetensors", below(tensors, "first"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    document = write("sub/first.safetensors")
    assert main(["compile", f"{document}:half", "--out", "made"]) == 0
    manifest = json.loads(Path("made/manifest.json").read_text())
    assert manifest["sources"] == {
        "first": {"source": "first.safetensors", "commit": "", "files": {"first.safetensors": digest}}
    }
    assert main(["inspect", "made"]) == 0
    assert "from      first.safetensors: first" in capsys.readouterr().out
    changed = {"first": {"file": "sub/first.safetensors"}}
    composer_compile.compile_document(document, "again", tasks=["half"], weights=changed)
    assert (
        "--weights first=first.safetensors" in json.loads(Path("again/manifest.json").read_text())["command"]
    )


def test_training_begins_with_what_the_document_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tensors: Tensors, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_data.install(tmp_path, monkeypatch)
    text = (folder / "points.yaml").read_text()
    said = text.replace("output_dim: 2}}", "output_dim: 2}, weights: head.pth}")
    assert said != text
    (folder / "points.yaml").write_text(said)
    save("head.pth", below(tensors, "third"))
    prepared = check_training("points.yaml", recipe="recipe.yaml")
    weight = prepared.programs.modules_by_name["head"].get_parameter("map.weight")
    assert torch.equal(weight, tensors["third.map.weight"])
    record = train_document("points.yaml", recipe="recipe.yaml", out="tuned", epochs=1)
    assert record["began_with"]["file"] == "head.pth"
    assert "begins with the weights of head.pth" in capfd.readouterr().err
    fresh = check_training("points.yaml", recipe="recipe.yaml", init=["head"])
    weight = fresh.programs.modules_by_name["head"].get_parameter("map.weight")
    assert not torch.equal(weight, tensors["third.map.weight"])
