"""Weights of Hub repositories: a cache that the test fills, a Hub on loopback, and all that can go wrong."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from fake_hub import TOKEN, FakeHub, HubRepository, cached, fake_hub, hub_at
from safetensors.torch import save
from sourced import Tensors, below, holds

import composer
from composer.problems import InputError

Write = Callable[..., Path]
NOWHERE = "http://127.0.0.1:9"
"""A port that nothing listens on."""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub(tmp_path / "cache", monkeypatch) as served:
        yield served


def content(tensors: Tensors, module: str = "first") -> bytes:
    return save({key: value.clone() for key, value in below(tensors, module).items()})


def sharded(tensors: Tensors) -> dict[str, bytes]:
    """A checkpoint in two files with their index."""
    parts = {"map.weight": "model-00001-of-00002.safetensors", "map.bias": "model-00002-of-00002.safetensors"}
    whole = below(tensors, "first")
    files = {file: save({key: whole[key].clone()}) for key, file in parts.items()}
    return {"model.safetensors.index.json": json.dumps({"weight_map": parts}).encode(), **files}


def refused(document: Path) -> str:
    with pytest.raises(InputError) as caught:
        composer.load(document, tasks=["half"])
    text = str(caught.value)
    assert "\n" not in text
    assert TOKEN not in text
    return text


@pytest.mark.parametrize("parts", [1, 2])
def test_a_repository_is_fetched_once_and_read_from_the_cache(
    hub: FakeHub, write: Write, tensors: Tensors, parts: int
) -> None:
    repository = hub.repositories["o/m"] = HubRepository()
    files = {"model.safetensors": content(tensors)} if parts == 1 else sharded(tensors)
    commit = repository.push(
        {**files, "modeling.py": b"raise SystemExit", "config.json": b'{"auto_map": {}}'}
    )
    document = write(f"{{hub: o/m, revision: {commit}}}")
    model = composer.load(document, tasks=["half"])
    assert holds(model, tensors, "first")
    assert not any(path.endswith((".py", "config.json")) for _, path, _ in hub.asked)
    hub.asked.clear()
    assert holds(composer.load(document, tasks=["half"]), tensors, "first")
    assert not hub.asked


def test_a_branch_is_asked_for_and_the_report_names_its_commit(
    hub: FakeHub, write: Write, tensors: Tensors
) -> None:
    repository = hub.repositories["o/m"] = HubRepository()
    commit = repository.push({"model.safetensors": content(tensors)})
    model = composer.load(write("hub:o/m@main"), tasks=["half"])
    assert model.loading is not None
    assert f"hub:o/m@main (commit {commit[:12]}) (parts.yaml:5) read by native names" in str(model.loading)
    newer = {key: value + 1 for key, value in tensors.items()}
    repository.push({"model.safetensors": content(newer), "more": b""})
    assert holds(composer.load("parts.yaml", tasks=["half"]), newer, "first")


def test_the_command_line_names_a_repository_for_the_whole_document(
    hub: FakeHub, write: Write, tensors: Tensors
) -> None:
    files = {"sub/whole.safetensors": save(tensors), "own.safetensors": content(tensors)}
    hub.repositories["o/m"] = HubRepository()
    hub.repositories["o/m"].push(files, "v1.0")
    model = composer.load(write(), weights="hub:o/m@v1.0/sub/whole.safetensors")
    assert holds(model, tensors, "first", "second", "third")
    pair = composer.load(write(), weights={"first": "hub:o/m@v1.0/own.safetensors"}, tasks=["half"])
    assert holds(pair, tensors, "first")


def test_a_cache_is_enough_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write, tensors: Tensors
) -> None:
    cached(tmp_path / "cache", "o/m", COMMIT, {"model.safetensors": content(tensors)})
    for offline in (True, False):
        hub_at(NOWHERE, tmp_path / "cache", monkeypatch, offline=offline)
        assert holds(composer.load(write(f"hub:o/m@{COMMIT}"), tasks=["half"]), tensors, "first")
    hub_at(NOWHERE, tmp_path / "cache", monkeypatch, offline=True)
    assert holds(composer.load(write("{hub: o/m}"), tasks=["half"]), tensors, "first")
    assert "HF_HUB_OFFLINE is set: fetch it once" in refused(write("{hub: o/m, file: other.safetensors}"))
    assert "its cache holds neither model.safetensors nor" in refused(write("{hub: o/other}"))
    hub_at(NOWHERE, tmp_path / "cache", monkeypatch)
    assert "the Hub cannot be reached" in refused(write("{hub: o/m, file: other.safetensors}"))
    assert "the Hub cannot be reached" in refused(write("{hub: o/other}"))


@pytest.mark.parametrize("source", ["hub:o/m@v1", "hub:o/m@v1/model.safetensors", "{hub: o/m}"])
def test_a_hub_that_does_not_answer_is_asked_once_and_in_silence(
    hub: FakeHub, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    tried: list[object] = []
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", tried.append)
    monkeypatch.setattr("huggingface_hub.utils._http.logger.warning", tried.append)
    hub.down = True
    assert "503" in refused(write(source))
    assert len(hub.asked) == 1
    hub_at(NOWHERE, tmp_path / "cache", monkeypatch)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", tried.append)
    text = refused(write(source))
    assert "the Hub cannot be reached" in text
    assert text.endswith("check the network, or name a folder of this machine")
    assert not tried


@pytest.mark.parametrize("source", ["hub:o/m", "hub:o/m/model.safetensors"])
def test_where_the_hub_has_trouble_the_cache_is_read(
    hub: FakeHub, write: Write, tensors: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    hub.repositories["o/m"] = HubRepository()
    hub.repositories["o/m"].push({"model.safetensors": content(tensors)})
    document = write(source)
    composer.load(document, tasks=["half"])
    hub.down = True
    assert holds(composer.load(document, tasks=["half"]), tensors, "first")
    hub_at(NOWHERE, tmp_path / "cache", monkeypatch)
    assert holds(composer.load(document, tasks=["half"]), tensors, "first")
    hub_at(hub.url, tmp_path / "empty", monkeypatch)
    assert refused(document).endswith("try again later, or name a folder of this machine")


def test_a_hub_that_never_answers_is_waited_for_once(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("composer.published.hub_repository.PATIENCE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        hub_at(f"http://127.0.0.1:{mute.getsockname()[1]}", tmp_path / "cache", monkeypatch)
        for source in ("hub:o/m@v1", "hub:o/other@v1/model.safetensors", "hub:o/m@v1"):
            assert "the Hub cannot be reached (timed out)" in refused(write(source))
        mute.settimeout(1)
        mute.accept()[0].close()
        mute.settimeout(0)
        with pytest.raises(BlockingIOError):
            mute.accept()


def test_a_gated_repository_takes_the_token_of_the_library(
    hub: FakeHub, write: Write, tensors: Tensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = hub.repositories["o/m"] = HubRepository(gated=True)
    repository.push({"model.safetensors": content(tensors)}, "v1")
    document = write("{hub: o/m, revision: v1, file: model.safetensors}")
    assert "it is gated: ask for access on its page, then set HF_TOKEN" in refused(document)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert holds(composer.load(document, tasks=["half"]), tensors, "first")


def test_what_is_not_there_is_one_sentence(hub: FakeHub, write: Write, tensors: Tensors) -> None:
    repository = hub.repositories["o/m"] = HubRepository()
    repository.push({"model.safetensors": content(tensors)}, "v1")
    assert "the Hub has no such repository, or it is private" in refused(write("hub:o/n@v1"))
    assert "the repository has no revision `v2`" in refused(write("hub:o/m@v2"))
    text = refused(write("hub:o/m@v1/model.safetensor"))
    assert "no file `model.safetensor`; did you mean `model.safetensors`? Its weights are" in text


def test_a_part_of_a_checkpoint_that_is_missing_is_named(
    hub: FakeHub, write: Write, tensors: Tensors
) -> None:
    repository = hub.repositories["o/m"] = HubRepository()
    files = sharded(tensors)
    del files["model-00002-of-00002.safetensors"]
    repository.push(files)
    assert refused(write("hub:o/m")).endswith(
        "the repository has no file `model-00002-of-00002.safetensors`, which model.safetensors.index.json names: "
        "its upload is not whole"
    )


def test_a_pickle_is_read_only_where_it_is_named(hub: FakeHub, write: Write, tensors: Tensors) -> None:
    buffer = io.BytesIO()
    torch.save(below(tensors, "first"), buffer)
    hub.repositories["o/m"] = HubRepository()
    hub.repositories["o/m"].push({"pytorch_model.bin": buffer.getvalue()}, "v1")
    text = refused(write("hub:o/m@v1"))
    assert "holds no safetensors, but pytorch_model.bin: a pickle is read only where `file` names it" in text
    assert holds(composer.load(write("hub:o/m@v1/pytorch_model.bin"), tasks=["half"]), tensors, "first")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.safetensors", "b.safetensors"], "several checkpoints (a.safetensors, b.safetensors): name one"),
        (
            ["text/model.safetensors"],
            "its weights lie in folders: name one with `file` (text/model.safetensors)",
        ),
        (["README.md"], "the repository holds no safetensors"),
    ],
    ids=str,
)
def test_a_repository_in_which_it_is_open_what_is_meant(
    hub: FakeHub, write: Write, names: list[str], message: str
) -> None:
    hub.repositories["o/m"] = HubRepository()
    hub.repositories["o/m"].push(dict.fromkeys(names, b""), "v1")
    assert message in refused(write("hub:o/m@v1"))


def test_an_index_cannot_name_files_elsewhere(hub: FakeHub, write: Write) -> None:
    index = json.dumps({"weight_map": {"map.weight": "../../../../token"}}).encode()
    hub.repositories["o/m"] = HubRepository()
    hub.repositories["o/m"].push({"model.safetensors.index.json": index}, "v1")
    assert "which is not a file beside it" in refused(write("hub:o/m@v1"))


def test_without_the_library_the_command_that_installs_it_is_named(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    assert refused(write("hub:o/m@v1")).endswith("pip install huggingface_hub")
