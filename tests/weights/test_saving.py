"""Saving: round trips, stable bytes, and all or nothing."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from composer.weights import WeightsError, load_weights, read_checkpoint, save_weights

from .conftest import Encoder, TiedDecoder, native


def test_what_is_saved_loads_again(modules: dict[str, nn.Module], tmp_path: Path) -> None:
    modules["decoder"] = TiedDecoder()
    turned = nn.Parameter(torch.randn(4, 4).T)  # not contiguous
    modules["text"].get_submodule("layers.0.query").weight = turned
    path = tmp_path / "w.safetensors"
    save_weights(modules, path, {"seed": "7", "name": "größe"})
    checkpoint = read_checkpoint(path)
    assert checkpoint.metadata == {"seed": "7", "name": "größe"}
    assert "decoder.head.weight" not in checkpoint, "a tied tensor is written once"
    assert "text.scratch" not in checkpoint
    others: dict[str, nn.Module] = {
        "text": Encoder(),
        "vision": Encoder(width=6, layers=2),
        "decoder": TiedDecoder(),
    }
    load_weights(others, checkpoint)
    for name, value in native(others).items():
        assert torch.equal(value, native(modules)[name])


def test_modules_that_share_a_mapped_file_can_be_saved_over_it(
    modules: dict[str, nn.Module], tmp_path: Path
) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(modules, path)
    load_weights(modules, read_checkpoint(path))
    with torch.no_grad():
        modules["text"].get_parameter("layers.0.query.weight").add_(1)
    expected = {name: value.clone() for name, value in native(modules).items()}
    save_weights(modules, path)
    for name, value in read_checkpoint(path).items():
        assert torch.equal(value, expected[name])


def test_equal_weights_give_equal_bytes_in_any_order(modules: dict[str, nn.Module], tmp_path: Path) -> None:
    metadata = {f"key{i}": str(i) for i in range(9)}
    save_weights(modules, tmp_path / "a", metadata)
    save_weights(dict(reversed(modules.items())), tmp_path / "b", dict(reversed(metadata.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_file_has_the_permissions_of_any_new_file(modules: dict[str, nn.Module], tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    save_weights(modules, tmp_path / "w")
    assert stat.S_IMODE((tmp_path / "w").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_disk_leaves_what_was_there(
    modules: dict[str, nn.Module], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(modules, path)
    before = path.read_bytes()
    with torch.no_grad():
        modules["text"].get_parameter("layers.0.query.weight").add_(1)

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, full)
    with pytest.raises(WeightsError, match=r"cannot be written: No space left on device.*unchanged"):
        save_weights(modules, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["w.safetensors"], "no leftover of the attempt"


def test_a_write_cut_off_by_the_system_leaves_nothing(tmp_path: Path) -> None:
    script = f"""
import resource
from torch import nn
from composer.weights import WeightsError, save_weights
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_weights({{"m": nn.Linear(99, 99)}}, {str(tmp_path / "w.safetensors")!r})
except WeightsError as error:
    print("refused:", error)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "w.safetensors cannot be written: File too large\n" in result.stdout, result.stderr
    assert os.listdir(tmp_path) == []


def test_an_impossible_path_is_one_sentence(modules: dict[str, nn.Module], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"lost.*cannot be written: No such file or directory"):
        save_weights(modules, tmp_path / "lost" / "w.safetensors")
    with pytest.raises(WeightsError, match=r"cannot be written: it is a folder"):
        save_weights(modules, tmp_path)


def test_modules_without_values_are_not_saved(tmp_path: Path) -> None:
    with torch.device("meta"):
        module = nn.Linear(2, 2)
    with pytest.raises(WeightsError, match=r"m.weight has no values \(it stands on the meta device\)"):
        save_weights({"m": module}, tmp_path / "w.safetensors")
    assert os.listdir(tmp_path) == []
