"""`composer lock` and `--locked`: what is written, and that whatever differs is refused by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_hub import FakeHub, HubRepository, fake_hub, hub_at
from safetensors.torch import save as as_bytes
from sourced import Tensors, below, holds, save

import composer
from composer.cli import main
from composer.problems import InputError
from composer.sources.lock_file import Lock

Write = Callable[..., Path]
LOCK = Path("parts.yaml.lock")


@pytest.fixture
def locked(write: Write, tensors: Tensors) -> Path:
    """A document with a lock beside it."""
    save("first.safetensors", below(tensors, "first"))
    save("whole.safetensors", tensors)
    document = write("first.safetensors", "{file: whole.safetensors, prefix: second}", "fresh")
    assert main(["lock", str(document)]) == 0
    return document


def refused(document: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        composer.load(document, locked=True, **options)
    return str(caught.value)


def change(**values: object) -> None:
    LOCK.write_text(json.dumps({**json.loads(LOCK.read_text()), **values}))


def test_a_lock_holds_versions_and_every_weight_file(
    locked: Path, tensors: Tensors, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = json.loads(LOCK.read_text())
    assert lock["language"] == 1
    assert set(lock["plugins"]) == {"core"}
    assert lock["plugins"]["core"].startswith("multimodal-composer")
    digest = hashlib.sha256(Path("first.safetensors").read_bytes()).hexdigest()
    first, second, third = lock["weights"]
    assert first == {
        "modules": ["first"],
        "source": "first.safetensors",
        "files": {"first.safetensors": digest},
    }
    assert second["prefix"] == "second"
    assert third == {"modules": ["third"], "source": "fresh"}
    before = LOCK.read_bytes()
    assert main(["lock", "parts.yaml"]) == 0
    assert "wrote parts.yaml.lock: 2 weight files, 1 plugin" in capsys.readouterr().out
    assert LOCK.read_bytes() == before
    assert holds(composer.load(locked, locked=True), tensors, "first", "second")
    assert holds(composer.load(locked, locked=str(LOCK), tasks=["half"]), tensors, "first")


def test_another_file_is_refused_before_it_is_read(locked: Path) -> None:
    digest = hashlib.sha256(Path("first.safetensors").read_bytes()).hexdigest()
    Path("first.safetensors").write_bytes(b"\x80\x02 a pickle that would run code")
    text = refused(locked)
    assert f"and {digest} in the lock; `composer lock parts.yaml` writes it anew" in text
    assert "weights of `first`: first.safetensors has the SHA-256" in text
    assert "\n" not in text


def test_the_same_content_under_another_name_is_the_same(
    locked: Path, write: Write, tensors: Tensors
) -> None:
    Path("first.safetensors").rename("moved.safetensors")
    write("moved.safetensors", "{file: whole.safetensors, prefix: second}", "fresh")
    assert holds(composer.load(locked, locked=True), tensors, "first", "second")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": {"first": "whole.safetensors"}}, "whole.safetensors (whole.safetensors, SHA-256"),
        (
            {"weights": {"third": "whole.safetensors"}},
            "`third` takes whole.safetensors, and starts fresh in the lock",
        ),
        ({"init": "first"}, "`first` starts fresh (--init first), and takes first.safetensors in the lock"),
        ({"weights": "initial"}, "`first` starts fresh (--weights initial), and takes first.safetensors"),
        (
            {"weights": {"second": {"file": "whole.safetensors"}}},
            "are read with native names, and with prefix second",
        ),
    ],
    ids=str,
)
def test_other_sources_are_refused(locked: Path, options: dict[str, Any], message: str) -> None:
    assert message in refused(locked, **options)


def test_other_versions_are_refused_all_at_once(locked: Path) -> None:
    change(language=0, plugins={"core": "multimodal-composer 0.0.1"})
    text = refused(locked)
    assert "the language is version 1, and 0 in the lock" in text
    assert "the plugin core is multimodal-composer " in text
    assert ", and multimodal-composer 0.0.1 in the lock" in text
    change(language=1, plugins={})
    assert "the plugin core (multimodal-composer" in refused(locked)
    assert "is used, and not in the lock" in refused(locked)


def test_a_document_with_other_modules_is_refused(locked: Path, write: Write) -> None:
    write("first.safetensors", "whole.safetensors", "whole.safetensors")
    text = refused(locked)
    assert "weights of `second` are read with native names, and with prefix second in the lock" in text
    assert "`third` takes whole.safetensors, and starts fresh in the lock" in text
    lock = Lock.model_validate_json(LOCK.read_text())
    change(weights=[each.model_dump() for each in lock.weights[1:]])
    assert "the lock holds no weights of `first`, and it takes first.safetensors" in refused(locked)
    change(weights=[{"modules": ["old"], "source": "old.pth"}])
    assert "the lock holds weights of `old`, and the document has no such module" in refused(locked)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "--locked: there is no parts.yaml.lock; `composer lock parts.yaml` writes it"),
        (
            "{",
            "parts.yaml.lock is not a lock (it does not hold JSON); `composer lock parts.yaml` writes it anew",
        ),
        ('{"composer_lock": 9}', "has version 9 of the format, and this composer reads 1: upgrade"),
        ('{"composer_lock": 1}', "has a fault at document: Field required"),
        ("[]", "is not a lock (it is not a map); `composer lock parts.yaml` writes it anew"),
        ("\xff", "is not a lock (it is not UTF-8); `composer lock parts.yaml` writes it anew"),
    ],
    ids=str,
)
def test_what_is_no_lock_is_one_sentence(locked: Path, text: str | None, message: str) -> None:
    LOCK.unlink() if text is None else LOCK.write_bytes(text.encode("latin-1"))
    assert message in refused(locked)
    assert "\n" not in refused(locked)


def test_a_lock_is_not_written_where_a_file_is_missing(
    locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = LOCK.read_bytes()
    Path("whole.safetensors").unlink()
    assert main(["lock", "parts.yaml"]) == 1
    assert "whole.safetensors: there is no such file" in capsys.readouterr().err
    assert LOCK.read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [
        ["check", "parts.yaml"],
        ["show", "parts.yaml"],
        ["compile", "parts.yaml", "--plan"],
        ["compile", "parts.yaml:half", "--out", "made"],
        ["run", "parts.yaml:half", "x=x.npy"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_every_command_that_uses_a_document_holds_it(
    locked: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    change(plugins={"core": "multimodal-composer 0.0.1"})
    assert main([*command, "--locked"]) == 1
    err = capsys.readouterr().err
    assert "parts.yaml.lock does not allow this: the plugin core is multimodal-composer" in err
    assert not Path("made").exists()


def test_check_holds_the_files_too(locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "parts.yaml", "--locked"]) == 0
    Path("first.safetensors").write_bytes(b"another")
    assert main(["check", "parts.yaml"]) == 0
    assert main(["check", "parts.yaml", "--locked"]) == 1
    assert "weights of `first`: first.safetensors has the SHA-256" in capsys.readouterr().err


def test_text_from_the_middle_and_pieces_are_locked(folder: Path) -> None:
    assert main(["lock", "quickstart-chain"]) == 0
    assert {"core", "text", "mplug2"} <= set(json.loads(Path("quickstart-chain.lock").read_text())["plugins"])
    assert main(["check", "quickstart-chain", "--locked"]) == 0


def test_a_shipped_document_is_locked_in_the_current_folder(folder: Path) -> None:
    assert main(["lock", "quickstart"]) == 0
    lock = json.loads(Path("quickstart.lock").read_text())
    assert [list(each["files"]) for each in lock["weights"]] == [["quickstart.safetensors"]]
    assert {"core", "text", "mplug2"} <= set(lock["plugins"])
    assert composer.load("quickstart", tasks=["image-qa"], locked=True).loading is not None
    assert main(["check", "quickstart", "--locked"]) == 0


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub(tmp_path / "cache", monkeypatch) as served:
        yield served


def test_a_lock_pins_a_branch_of_the_hub(
    hub: FakeHub, write: Write, tensors: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def content(values: Tensors) -> dict[str, bytes]:
        return {"model.safetensors": as_bytes({k: v.clone() for k, v in below(values, "first").items()})}

    repository = hub.repositories["o/m"] = HubRepository()
    commit = repository.push(content(tensors))
    document = write("{hub: o/m}", "fresh", "fresh")
    assert main(["lock", str(document)]) == 0
    assert json.loads(LOCK.read_text())["weights"][0]["commit"] == commit
    newer = {key: value + 1 for key, value in tensors.items()}
    repository.push({**content(newer), "more": b""})
    assert holds(composer.load(document, tasks=["half"]), newer, "first")
    assert holds(composer.load(document, tasks=["half"], locked=True), tensors, "first")
    hub_at("http://127.0.0.1:9", tmp_path / "empty", monkeypatch, offline=True)
    assert main(["check", "parts.yaml", "--locked"]) == 0  # what the cache lacks is not fetched to be held


def test_the_commit_of_a_lock_is_one_of_its_own_repository(
    hub: FakeHub, write: Write, tensors: Tensors, capsys: pytest.CaptureFixture[str]
) -> None:
    def content(values: Tensors) -> dict[str, bytes]:
        return {"model.safetensors": as_bytes({k: v.clone() for k, v in below(values, "first").items()})}

    for name, values in (("o/m", tensors), ("o/n", {key: value + 1 for key, value in tensors.items()})):
        hub.repositories[name] = HubRepository()
        hub.repositories[name].push({**content(values), name: b""})
    document = write("{hub: o/m}", "fresh", "fresh")
    assert main(["lock", str(document), "--weights", "first=hub:o/n"]) == 0
    with pytest.raises(InputError, match=r"does not allow this: weights of `first`: .* in the lock"):
        composer.load(document, tasks=["half"], locked=True)
