"""compile, run, inspect and verify, as a user types them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import composer_compile
import pytest
from composer_compile.backends.export_loader import ExportLoader

from composer.cli import main
from composer.plugin import Backend, hookimpl, load_registry
from composer.plugin.asking import PluginError


def test_compile_says_what_it_wrote(small: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.zip"
    arguments = [f"{small.document}:classify", "--weights", str(small.weights), "--out", str(out)]
    assert (
        main(["compile", *arguments, "--range", "batch=1..1", "--range", "question.length=5..5, best 5"]) == 0
    )
    captured = capsys.readouterr()
    assert f"{out}: classify (" in captured.out
    assert "worst relative difference" in captured.out
    assert "classify: encode (batch 1)" in captured.err
    assert "classify: comparing with the live model, 1 of 1: batch=1" in captured.err
    assert main(["inspect", str(out), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["command"] == (
        "composer compile small.yaml:classify --backend export --weights weights.safetensors --range batch=1..1 "
        "--range 'question.length=5..5, best 5'"
    )
    assert data["sharing"]["saved"] == 0
    assert main(["run", f"{out}:classify", "question=a b c", "--json"]) == 0
    ours = json.loads(capsys.readouterr().out)["scores"]
    assert ours == pytest.approx(small.model.run("classify", question="a b c")["scores"].tolist(), abs=1e-5)
    assert main(["run", f"{out}:classify", "question=a b"]) == 1
    assert (
        "takes [batch, 5], as it was compiled, and the length of what came is 4, not 5"
        in capsys.readouterr().err
    )


def test_the_command_draws_the_same_weights_again(
    small: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(small.document.parent)
    document, ranges = f"{small.document.name}:classify", ["--range", "question.length=3..3, best 3"]
    made = tmp_path / "made"
    given = ["--weights", "initial", "--seed", "5", *ranges, "--range", "batch=1..1", "--out", str(made)]
    assert main(["compile", document, *given]) == 0
    weights = (made / "weights.safetensors").read_bytes()
    capsys.readouterr()
    assert main(["inspect", str(made)]) == 0
    (shown,) = re.findall(r"^  rebuild   composer (.*)$", capsys.readouterr().out, re.M)
    assert "--seed 5" in shown
    assert main(shlex.split(shown)) == 0
    assert (made / "weights.safetensors").read_bytes() == weights


def test_the_command_that_is_shown_makes_the_artifact_again(
    small: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the document and its weights lie; also after the artifact was moved, and widened by what a refusal says."""
    monkeypatch.chdir(small.document.parent)
    made, moved = tmp_path / "made", tmp_path / "an artifact"
    document = f"{small.document.name}:classify"
    ranges = ["--range", "batch=1..1", "--range", "question.length=3..4, best 4"]
    given = ["--weights", small.weights.name, *ranges, "--tolerance", "0.01", "--accept-drift"]
    assert main(["compile", document, *given, "--out", str(made)]) == 0
    before = {path.name: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    made.rename(moved)
    capsys.readouterr()
    assert main(["inspect", str(moved)]) == 0
    (shown,) = re.findall(r"^  rebuild   composer (.*)$", capsys.readouterr().out, re.M)
    assert main(shlex.split(shown)) == 0
    assert {path.name: path.read_bytes() for path in moved.rglob("*") if path.is_file()} == before
    capsys.readouterr()
    assert main(["run", f"{moved}:classify", "question=what is it red"]) == 1
    (shown,) = re.findall(r"or rebuild with `composer (.*)`", capsys.readouterr().err)
    assert main(shlex.split(shown)) == 0
    assert main(["run", f"{moved}:classify", "question=what is it red"]) == 0


def test_verify_compares_with_the_recorded_results(small: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(small.artifact)]) == 0
    out = capsys.readouterr().out
    assert "video-qa: ok" in out
    assert "ids the same" in out
    assert main(["verify", str(small.artifact), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["task"] for row in rows] == ["video-qa", "caption", "classify"]
    assert all(row["passed"] and row["median_ms"] > 0 for row in rows)
    assert re.search(r"^video-qa: ok, first answer \d+ ms, then [\d.]+ ms$", out, re.M)
    assert re.search(r"^  scores\.scores +largest difference 0$", out, re.M)


def test_verify_tells_a_machine_that_computes_something_else(
    small: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load = ExportLoader.load

    def off(self: ExportLoader, *arguments: Any) -> Any:
        function = load(self, *arguments)
        return lambda *tensors: [t - 5 if t.is_floating_point() else t for t in function(*tensors)]

    monkeypatch.setattr(ExportLoader, "load", off)
    assert main(["verify", str(small.artifact)]) == 1
    out = capsys.readouterr().out
    assert "classify: DIFFERS" in out
    assert re.search(r"^  scores\.scores +largest difference [5-9]", out, re.M)


def test_inspect_shows_what_sharing_saves(small: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(small.artifact), "--json"]) == 0
    sharing = json.loads(capsys.readouterr().out)["sharing"]
    numbers = {name: sum(p.numel() for p in m.parameters()) for name, m in small.model.modules.items()}
    unread = 4 * 2 * 16  # both token types of the text encoder and of the decoder are added before
    assert sharing["stored"] == pytest.approx(4 * sum(numbers.values()), abs=2 * unread)
    assert sharing["tasks"]["caption"] == pytest.approx(
        4 * (numbers["vision"] + numbers["decoder"]), abs=2 * unread
    )
    assert sharing["saved"] == sum(sharing["tasks"].values()) - sharing["stored"] > 0
    programs = sharing["programs"]
    sizes = {path.name: path.stat().st_size for path in (small.artifact / "programs").iterdir()}
    assert programs["stored"] == sum(sizes.values())
    assert programs["saved"] == 0 == sum(programs["tasks"].values()) - programs["stored"]
    assert main(["inspect", str(small.artifact)]) == 0
    shown = capsys.readouterr().out
    assert f"sharing   saves {sharing['saved'] / 1000:.1f} kB of weights and " in shown
    assert f"{len(sizes)} files, each stored once" in shown


def test_an_accepted_drift_is_said_recorded_and_shown(
    small: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load = ExportLoader.load

    def off(self: ExportLoader, *arguments: Any) -> Any:
        function = load(self, *arguments)
        return lambda *tensors: [t * 1.01 if t.is_floating_point() else t for t in function(*tensors)]

    monkeypatch.setattr(ExportLoader, "load", off)
    out = tmp_path / "out"
    ranges = ["--range", "batch=2..2", "--range", "question.length=3..3"]
    common = ["compile", f"{small.document}:classify", "--weights", str(small.weights), *ranges]
    assert main([*common, "--out", str(out)]) == 1
    assert "(--accept-drift writes it and notes the drift)" in capsys.readouterr().err
    assert not out.exists()
    assert main([*common, "--out", str(out), "--accept-drift"]) == 0
    assert "BEYOND THE TOLERANCE, accepted by --accept-drift" in capsys.readouterr().out
    assert main(["inspect", str(out)]) == 0
    assert "ACCEPTED BEYOND the tolerance 0.0001" in capsys.readouterr().out
    assert main([*common, "--out", str(tmp_path / "loose"), "--tolerance", "0.1"]) == 0
    assert main(["inspect", str(tmp_path / "loose")]) == 0
    assert "within the tolerance 0.1" in capsys.readouterr().out


def test_a_backend_that_cannot_be_imported_is_one_sentence(small: Any, tmp_path: Path) -> None:
    class Plugin:
        @hookimpl
        def composer_register(self, register: Any) -> None:
            gone = "composer_compile.backends.gone:Gone"
            register(Backend("gone", gone, gone, "Not there."))

    with pytest.raises(
        PluginError,
        match=r"^the loader of backend `gone` of the plugin test cannot be imported from .*gone:Gone: .*No module",
    ):
        composer_compile.compile_document(
            small.document,
            tmp_path / "out",
            weights=small.weights,
            options=composer_compile.Options(backend="gone"),
            registry=load_registry([("test", Plugin())]),
        )


def test_run_streams_from_an_artifact(small: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from PIL import Image

    pictures = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    pictures[0].save(tmp_path / "clip.gif", save_all=True, append_images=pictures[1:])
    arguments = ["run", f"{small.artifact}:caption", f"video={tmp_path / 'clip.gif'}"]
    assert main([*arguments, "--stream"]) == 0
    streamed = capsys.readouterr().out.strip()
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["caption"] == streamed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["compile", "{document}", "--out", "{folder}/x", "--backend", "magic"],
            "export, inductor, tensorrt",
        ),
        (
            ["compile", "{document}", "--out", "{folder}/x", "--backend", "exprt"],
            "there is no backend `exprt`; did you mean `export`? There are: export, inductor, tensorrt",
        ),
        (["compile", "{document}", "--plan", "--backend", "inductr"], "did you mean `inductor`?"),
        (["compile", "{document}:captoin", "--out", "{folder}/x", "--weights", "{weights}"], "captoin"),
        (
            ["compile", "{document}", "--plan", "--target", "sm89"],
            "the backend export has no --target: leave it out",
        ),
        (["compile", "{document}", "--plan", "--backend", "inductor", "--keep", "norms"], "has no --keep"),
        (["compile", "{document}", "--plan", "--memory-limit", "99999999GiB"], "no machine has as much"),
        (["compile", "{document}:captoin", "--plan"], "has no task `captoin`; did you mean `caption`?"),
        (["run", "{artifact}:classify", "question=a", "--weights", "{weights}"], "--weights cannot be given"),
        (["run", "{artifact}:nothing", "question=a"], "there is no task `nothing`"),
        (["run", "{artifact}", "question=a"], "name one: video-qa, caption, classify"),
        (["inspect", "{document}"], "neither a directory nor a zip"),
        (["verify", "{folder}"], "holds no manifest"),
    ],
)
def test_mistakes_give_one_line(
    small: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    places = {
        "document": small.document,
        "weights": small.weights,
        "artifact": small.artifact,
        "folder": tmp_path,
    }
    assert main([each.format(**places) for each in arguments]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("composer: error: ")
    assert message in error
