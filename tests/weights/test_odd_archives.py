"""Checkpoints whose outside is right and whose inside is not what torch or safetensors wrote."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from composer.weights import WeightsError, read_checkpoint


def zipped_anew(folder: Path, compression: int, contents: Mapping[str, bytes]) -> Path:
    torch.save({"weight": torch.ones(64, 64)}, folder / "first.pth")
    with (
        zipfile.ZipFile(folder / "first.pth") as first,
        zipfile.ZipFile(folder / "w.pth", "w", compression) as second,
    ):
        for entry in first.infolist():
            name = entry.filename.rpartition("/")[2]
            second.writestr(entry.filename, contents.get(name, first.read(entry)))
    return folder / "w.pth"


def with_header(folder: Path, header: bytes, content: bytes = b"") -> Path:
    (folder / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + content)
    return folder / "w.safetensors"


@pytest.mark.parametrize("contents", [{}, {"data.pkl": bytes(1 << 20)}])
def test_compressed_entries_are_refused_and_never_taken_for_tensors(
    tmp_path: Path, contents: Mapping[str, bytes]
) -> None:
    path = zipped_anew(tmp_path, zipfile.ZIP_DEFLATED, contents)
    with pytest.raises(WeightsError, match="its entries are compressed"):
        read_checkpoint(path)


def test_a_pickle_of_nothing_but_noise_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="the pickle inside is damaged"):
        read_checkpoint(zipped_anew(tmp_path, zipfile.ZIP_STORED, {"data.pkl": bytes(1000)}))


def test_a_header_of_maps_in_maps_is_damaged(tmp_path: Path) -> None:
    path = with_header(tmp_path, b'{"a":' * 50_000 + b"1" + b"}" * 50_000)
    with pytest.raises(WeightsError, match="its safetensors header is damaged"):
        read_checkpoint(path)


def test_metadata_of_lists_in_lists_are_those_of_somebody_else(tmp_path: Path) -> None:
    whole = save({"weight": torch.ones(2)})
    length = int.from_bytes(whole[:8], "little")
    header = {**json.loads(whole[8 : 8 + length]), "__metadata__": {"composer": "[" * 100_000}}
    path = with_header(tmp_path, json.dumps(header).encode(), whole[8 + length :])
    assert torch.equal(read_checkpoint(path)["weight"], torch.ones(2))
