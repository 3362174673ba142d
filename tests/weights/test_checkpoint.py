"""Reading checkpoints: every good file gives its tensors, every bad one a single clear sentence."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from memory import PEAK
from safetensors.torch import save_file
from torch import Tensor

from composer.problems import ComposerError
from composer.weights import WeightsError, read_checkpoint

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2), "steps": torch.arange(3)}


def assert_same(found: object, expected: dict[str, Tensor]) -> None:
    assert set(found) == set(expected)  # type: ignore[call-overload]
    for key, value in expected.items():
        assert torch.equal(found[key], value)  # type: ignore[index]


def save_sharded(folder: Path) -> Path:
    save_file({"a.weight": TENSORS["a.weight"]}, folder / "w-1.safetensors")
    save_file({key: TENSORS[key] for key in ("a.bias", "steps")}, folder / "w-2.safetensors")
    index = {"a.weight": "w-1.safetensors", "a.bias": "w-2.safetensors", "steps": "w-2.safetensors"}
    path = folder / "w.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return path


def test_safetensors_are_read_whatever_they_are_called(tmp_path: Path) -> None:
    for name in ("w.safetensors", "w.bin"):
        save_file(TENSORS, tmp_path / name)
        checkpoint = read_checkpoint(tmp_path / name)
        assert checkpoint.format == "safetensors"
        assert_same(checkpoint, TENSORS)


def test_a_checkpoint_is_a_mapping_that_says_what_it_is(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "w.safetensors")
    checkpoint = read_checkpoint(str(tmp_path / "w.safetensors"))
    assert len(checkpoint) == 3
    assert "steps" in checkpoint
    assert "lost" not in checkpoint
    assert str(checkpoint).endswith("w.safetensors (safetensors, 3 tensors)")
    with pytest.raises(KeyError):
        checkpoint["lost"]


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("root", ["model", "module", "state_dict", "model_state_dict", "ema", None])
def test_torch_files_are_read_under_their_root(tmp_path: Path, zipped: bool, root: str | None) -> None:
    value = {root: OrderedDict(TENSORS), "epoch": 3} if root else OrderedDict(TENSORS)
    torch.save(value, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert_same(read_checkpoint(tmp_path / "w.pth"), TENSORS)


def test_the_first_root_that_is_there_wins_and_a_layout_may_name_its_own(tmp_path: Path) -> None:
    torch.save(
        {"module": {"x": torch.zeros(1)}, "model": TENSORS, "ema": {"y": torch.ones(1)}}, tmp_path / "w.pt"
    )
    assert_same(read_checkpoint(tmp_path / "w.pt"), TENSORS)
    assert set(read_checkpoint(tmp_path / "w.pt", roots=("ema", "model"))) == {"y"}
    assert_same(read_checkpoint(tmp_path / "w.pt", roots=()), TENSORS)


def test_an_index_and_a_folder_with_one_are_read_as_one_checkpoint(tmp_path: Path) -> None:
    index = save_sharded(tmp_path)
    for path in (index, tmp_path):
        checkpoint = read_checkpoint(path)
        assert checkpoint.format == "safetensors, 2 shards"
        assert_same(checkpoint, TENSORS)


def test_a_folder_gives_its_only_checkpoint_and_prefers_safetensors(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    torch.save({"other": torch.zeros(1)}, tmp_path / "old.pth")
    assert set(read_checkpoint(tmp_path)) == {"other"}
    save_file(TENSORS, tmp_path / "w.safetensors")
    assert_same(read_checkpoint(tmp_path), TENSORS)


def test_writing_into_a_mapped_tensor_never_reaches_the_file(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "w.safetensors")
    torch.save(TENSORS, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        before = (tmp_path / name).read_bytes()
        read_checkpoint(tmp_path / name)["a.bias"].zero_()
        assert (tmp_path / name).read_bytes() == before


def _missing(path: Path) -> Path:
    return path / "lost.safetensors"


def _empty(path: Path) -> Path:
    (path / "w.safetensors").touch()
    return path / "w.safetensors"


def _binary(path: Path) -> Path:
    (path / "w.pth").write_bytes(bytes(range(256)) * 9)
    return path / "w.pth"


def _binary_safetensors(path: Path) -> Path:
    (path / "w.safetensors").write_bytes(b"\x01\x02" * 99)
    return path / "w.safetensors"


def _text(path: Path) -> Path:
    (path / "w.pth").write_text("modules: {}\n# ä " * 99, encoding="utf-8")
    return path / "w.pth"


def _git_lfs_pointer(path: Path) -> Path:
    (path / "w.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    return path / "w.safetensors"


def _truncated_safetensors(path: Path) -> Path:
    save_file(TENSORS, path / "full")
    (path / "w.safetensors").write_bytes((path / "full").read_bytes()[:-8])
    return path / "w.safetensors"


def _truncated_header(path: Path) -> Path:
    save_file(TENSORS, path / "full")
    (path / "w.safetensors").write_bytes((path / "full").read_bytes()[:40])
    return path / "w.safetensors"


def _damaged_header(path: Path) -> Path:
    save_file(TENSORS, path / "full")
    (path / "w.safetensors").write_bytes((path / "full").read_bytes().replace(b'"dtype":', b"'dtype':", 1))
    return path / "w.safetensors"


def _truncated_zip(path: Path) -> Path:
    torch.save(TENSORS, path / "full")
    (path / "w.pth").write_bytes((path / "full").read_bytes()[:-64])
    return path / "w.pth"


def _truncated_legacy(path: Path) -> Path:
    torch.save(TENSORS, path / "full", _use_new_zipfile_serialization=False)
    (path / "w.pth").write_bytes((path / "full").read_bytes()[:-5])
    return path / "w.pth"


def _damaged_legacy(path: Path) -> Path:
    torch.save(TENSORS, path / "full", _use_new_zipfile_serialization=False)
    (path / "w.pth").write_bytes((path / "full").read_bytes()[:150])
    return path / "w.pth"


def _namespace(path: Path) -> Path:
    torch.save({"model": TENSORS, "args": argparse.Namespace(lr=1)}, path / "w.pth")
    return path / "w.pth"


def _legacy_namespace(path: Path) -> Path:
    value = {"model": TENSORS, "args": argparse.Namespace(lr=1)}
    torch.save(value, path / "w.pth", _use_new_zipfile_serialization=False)
    return path / "w.pth"


class _Command:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.getenv, ("HOME",)


def _legacy_code(path: Path) -> Path:
    torch.save({"model": _Command()}, path / "w.pth", _use_new_zipfile_serialization=False)
    return path / "w.pth"


class _System:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("false",)


def _legacy_command(path: Path) -> Path:
    torch.save({"model": _System()}, path / "w.pth", _use_new_zipfile_serialization=False)
    return path / "w.pth"


def _whole_module(path: Path) -> Path:
    torch.save(torch.nn.Linear(2, 2), path / "w.pth")
    return path / "w.pth"


def _plain_pickle(path: Path) -> Path:
    (path / "w.pth").write_bytes(pickle.dumps([1, 2]))
    return path / "w.pth"


def _list(path: Path) -> Path:
    torch.save([torch.zeros(1)], path / "w.pth")
    return path / "w.pth"


def _not_tensors(path: Path) -> Path:
    torch.save({"model": {"a": torch.zeros(1), "lr": 0.1, "name": "x"}}, path / "w.pth")
    return path / "w.pth"


def _other_root(path: Path) -> Path:
    torch.save({"generator": TENSORS, "epoch": 1}, path / "w.pth")
    return path / "w.pth"


def _no_tensors(path: Path) -> Path:
    torch.save({"model": {}}, path / "w.pth")
    return path / "w.pth"


def _numbered(path: Path) -> Path:
    torch.save({0: torch.zeros(1)}, path / "w.pth")
    return path / "w.pth"


def _foreign_zip(path: Path) -> Path:
    with zipfile.ZipFile(path / "w.pth", "w") as archive:
        archive.writestr("holiday.txt", "sun")
    return path / "w.pth"


def _torchscript(path: Path) -> Path:
    with zipfile.ZipFile(path / "w.pt", "w") as archive:
        archive.writestr("m/constants.pkl", b"")
        archive.writestr("m/data.pkl", b"")
    return path / "w.pt"


def _folder_without_weights(path: Path) -> Path:
    (path / "config.json").write_text("{}")
    return path


def _folder_with_two(path: Path) -> Path:
    save_file(TENSORS, path / "a.safetensors")
    save_file(TENSORS, path / "b.safetensors")
    return path


def _index_without_shard(path: Path) -> Path:
    index = save_sharded(path)
    (path / "w-2.safetensors").unlink()
    return index


def _index_of_other_keys(path: Path) -> Path:
    index = save_sharded(path)
    save_file({"a.bias": TENSORS["a.bias"]}, path / "w-2.safetensors")
    return index


def _index_that_forgets(path: Path) -> Path:
    index = save_sharded(path)
    save_file(
        {key: torch.zeros(1) for key in ("a.bias", "steps", "x", "y", "z", "zz")}, path / "w-2.safetensors"
    )
    return index


def _index_outside(path: Path) -> Path:
    (path / "w.safetensors.index.json").write_text('{"weight_map": {"a": "../../etc/passwd"}}')
    return path


def _index_not_json(path: Path) -> Path:
    (path / "w.safetensors.index.json").write_bytes(b"\xff{")
    return path / "w.safetensors.index.json"


def _index_without_map(path: Path) -> Path:
    (path / "w.safetensors.index.json").write_text("[]")
    return path / "w.safetensors.index.json"


def _missing_index(path: Path) -> Path:
    return path / "w.safetensors.index.json"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_missing, "there is no such file"),
        (_empty, "the file is empty"),
        (_binary, "neither a safetensors file nor a torch checkpoint"),
        (_binary_safetensors, "no safetensors header"),
        (_text, "it is a text file"),
        (_git_lfs_pointer, "run `git lfs pull`"),
        (_truncated_safetensors, "the safetensors file is truncated: "),
        (_truncated_header, "bytes are announced and 40 are there"),
        (_damaged_header, "safetensors header is damaged"),
        (_truncated_zip, "torch checkpoint is truncated (its zip directory is cut off)"),
        (_truncated_legacy, "torch checkpoint is truncated or damaged"),
        (_damaged_legacy, "torch checkpoint is truncated or damaged"),
        (_namespace, "asks for argparse.Namespace, and a pickle that may import can run any code"),
        (_legacy_code, "asks for os.getenv, and a pickle that may import can run any code"),
        (
            _legacy_command,
            rf"asks for {os.system.__module__}.system, and a pickle that may import can run any code",
        ),
        (_legacy_namespace, "asks for argparse.Namespace, and a pickle that may import can run any code"),
        (_whole_module, "asks for torch.nn.modules.linear.Linear"),
        (_plain_pickle, "a pickle that torch.save did not write"),
        (_list, "it is of the type list, not a state dict"),
        (_not_tensors, "its entry 'model' holds 2 entries that are not tensors: lr (float), name (str)"),
        (
            _other_root,
            "not a state dict, it holds epoch (int), generator (dict); tensors lie under `generator` (3 tensors): name "
            "the entry, --root generator (root='generator')",
        ),
        (_no_tensors, "its entry 'model' holds no tensor at all"),
        (_numbered, "has keys that are not names"),
        (_foreign_zip, "a zip file that torch.save did not write"),
        (_torchscript, "it is a TorchScript archive"),
        (
            _folder_without_weights,
            "the folder holds no weights (no .safetensors, .bin, .pth, .pt, .gguf or .onnx file); it holds config",
        ),
        (_folder_with_two, "several checkpoints (a.safetensors, b.safetensors); give one of them"),
        (_index_without_shard, "1 of 2 shards are not beside it: w-2.safetensors"),
        (_index_of_other_keys, "the shards lack steps, which the index promises"),
        (
            _index_that_forgets,
            "shard w-2.safetensors holds x, y, z and 1 more, which the index does not place there",
        ),
        (_index_outside, "'../../etc/passwd', which is not a file beside it"),
        (_index_not_json, "the index is not JSON"),
        (_index_without_map, "has no `weight_map`"),
        (_missing_index, "there is no such file"),
    ],
)
def test_a_bad_file_is_one_clear_sentence(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    path = make(tmp_path)
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(path)
    text = str(caught.value)
    assert text.startswith(f"cannot read weights from {path}")
    assert message in text
    assert "\n" not in text
    assert isinstance(caught.value, ComposerError)


def test_a_hostile_pickle_is_refused_without_being_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "ran"),)  # type: ignore[return-value]

    torch.save({"model": {"a": Hostile()}}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="can run any code"):
        read_checkpoint(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def test_opening_a_checkpoint_takes_no_memory_for_its_tensors(tmp_path: Path) -> None:
    """40 files' worth of views of one 8 MB file: mapped, they would fit in a tenth of what copies take."""
    save_file({"w": torch.zeros(2_000_000)}, tmp_path / "w.safetensors")
    script = f"""{PEAK}
import torch
from composer.weights import read_checkpoint
before = peak()
held = [read_checkpoint({str(tmp_path / "w.safetensors")!r})["w"] for _ in range(40)]
print(peak() - before)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 32_000  # KiB; copies would take 320,000
