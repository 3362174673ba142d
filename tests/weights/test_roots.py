"""Roots and sorts of files: where the tensors lie in a file, and which files are opened at all."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from composer.weights import WeightsError, read_checkpoint

TENSORS = {"a.weight": torch.ones(2, 3), "a.bias": torch.ones(2)}
OTHERS = {"a.weight": torch.zeros(2, 3), "a.bias": torch.zeros(2)}


def test_nested_roots_are_followed(tmp_path: Path) -> None:
    torch.save({"model": {"module": TENSORS, "name": "x"}, "epoch": 1}, tmp_path / "w.pt")
    checkpoint = read_checkpoint(tmp_path / "w.pt")
    assert (set(checkpoint), checkpoint.root) == (set(TENSORS), "model.module")


@pytest.mark.parametrize("root", ["averaged", "states.best", "states.best.v1"])
def test_a_named_root_is_taken_whatever_lies_beside_it(tmp_path: Path, root: str) -> None:
    value = {"model": OTHERS, "averaged": TENSORS, "states": {"best": TENSORS, "best.v1": TENSORS}}
    if root == "states.best.v1":
        value = {"states.best.v1": TENSORS, "model": OTHERS}
    torch.save(value, tmp_path / "w.pt")
    assert read_checkpoint(tmp_path / "w.pt", root=root)["a.bias"].sum() == 2


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("root", ["ema", "ema."])
def test_a_root_of_a_flat_file_is_how_its_keys_begin(tmp_path: Path, suffix: str, root: str) -> None:
    flat = {**{f"ema.{key}": value for key, value in TENSORS.items()}, "emax.other": torch.zeros(1)}
    path = tmp_path / f"w{suffix}"
    save_file(flat, path) if suffix == ".safetensors" else torch.save(flat, path)
    checkpoint = read_checkpoint(path, root=root)
    assert set(checkpoint) == set(TENSORS)
    assert checkpoint.left_out == 1


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_root_that_is_not_there_names_what_is(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    if suffix == ".pt":
        torch.save({"best": {"net": TENSORS}, "step": 1}, path)
        expected = "no entry `ema`; tensors lie under `best.net` (2 tensors): name the entry, --root best.net"
    else:
        save_file(TENSORS, path)
        expected = "no entry and no key below `ema`; its keys begin with `a`"
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(path, root="ema")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def _pipe(path: Path) -> Path:
    os.mkfifo(path / "pipe")
    return path / "pipe"


def _socket(path: Path) -> Path:
    os.chdir(path)  # the name of a socket may not be long
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("s")
    return path / "s"


def _index_pipe(path: Path) -> Path:
    os.mkfifo(path / "w.safetensors.index.json")
    return path / "w.safetensors.index.json"


def _folder_with_pipe(path: Path) -> Path:
    os.mkfifo(path / "w.safetensors")
    return path


def _companion(path: Path) -> Path:
    (path / "._w.safetensors").write_bytes(b"\x00\x05\x16\x07" + bytes(4092))
    return path / "._w.safetensors"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_pipe, "it is a pipe"),
        (_index_pipe, "it is a pipe"),
        (_folder_with_pipe, "the folder holds no weights"),
        (_socket, "it is a socket"),
        (lambda path: Path("/dev/zero"), "it is a device"),
        (lambda path: path / ("x" * 300), "File name too long"),
        (lambda path: Path("a\0b"), "null byte"),
        (_companion, "the companion (`._` file) that macOS writes beside a file"),
    ],
    ids=["pipe", "index", "folder", "socket", "device", "long", "nul", "companion"],
)
def test_what_is_no_file_is_refused_and_never_waited_for(
    tmp_path: Path, monkeypatch, make, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(make(tmp_path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_searched_without_hidden_files_and_the_states_of_a_trainer(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "w.safetensors")
    (tmp_path / "._w.safetensors").write_bytes(b"\x00\x05\x16\x07")
    assert set(read_checkpoint(tmp_path)) == set(TENSORS)
    (tmp_path / "w.safetensors").unlink()
    torch.save(TENSORS, tmp_path / "pytorch_model.bin")
    for name in ("training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "rng_state_0.pth"):
        torch.save([1], tmp_path / name)
    assert set(read_checkpoint(tmp_path)) == set(TENSORS)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("version", ["2.5.1", "2.9.1+cu128"])
def test_a_pickle_is_refused_where_torch_has_known_ways_around_weights_only(
    tmp_path: Path, monkeypatch, zipped: bool, version: str
) -> None:
    torch.save(TENSORS, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    save_file(TENSORS, tmp_path / "w.safetensors")
    monkeypatch.setattr(torch, "__version__", version)
    with pytest.raises(WeightsError, match=r"CVE-2025-32434.*install torch 2\.10 or newer"):
        read_checkpoint(tmp_path / "w.pth")
    assert set(read_checkpoint(tmp_path / "w.safetensors")) == set(TENSORS)
    for fine in ("2.10.0", "2.14.0a0+git1", "3.0"):
        monkeypatch.setattr(torch, "__version__", fine)
        assert set(read_checkpoint(tmp_path / "w.pth")) == set(TENSORS)
