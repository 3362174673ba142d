"""Files that are not what they are taken for, and commands run as their users run them."""

from __future__ import annotations

import pickle
import wave
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from composer.cli import main

HUGE_BYTES = 1 << 40


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Call = Callable[..., Done]


@pytest.fixture
def composer(capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command in this process, so that an exception it lets through fails the test."""

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


def _sparse(path: Path) -> None:
    """A file that says it is huge and takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(HUGE_BYTES)


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files that are not documents; `missing.yaml` is not there."""
    folder = tmp_path_factory.mktemp("documents")
    (folder / "directory.yaml").mkdir()
    (folder / "binary.yaml").write_bytes(bytes(range(256)) * 64)
    (folder / "empty.yaml").touch()
    _sparse(folder / "huge.yaml")
    (folder / "latin1.yaml").write_bytes("composer: 1\nname: caf\u00e9\n".encode("latin-1"))
    (folder / "utf16.yaml").write_text("composer: 1\nname: x\n", encoding="utf-16")
    (folder / "broken.yaml").write_text("composer: 1\ntasks: {a: [\n", encoding="utf-8")
    (folder / "list.yaml").write_text("- composer\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, tiny) -> Path:
    """A folder of files that are not weights of the tiny model; `missing.safetensors` is not there."""
    folder = tmp_path_factory.mktemp("checkpoints")
    whole = tiny.weights.read_bytes()
    (folder / "truncated.safetensors").write_bytes(whole[: len(whole) // 2])
    (folder / "stub.safetensors").write_bytes(whole[:5])
    (folder / "empty.safetensors").touch()
    (folder / "directory.safetensors").mkdir()
    (folder / "text.safetensors").write_text("the weights are elsewhere\n")
    (folder / "binary.safetensors").write_bytes(bytes(range(256)) * 16)
    _sparse(folder / "huge.safetensors")
    tensors = load_file(tiny.weights)
    larger = {name: torch.cat([value, value]) for name, value in tensors.items()}
    save_file(larger, folder / "other_size.safetensors")
    name = "decoder.layers.0.attention_norm.weight"
    save_file({**tensors, name: tensors[name] * float("nan")}, folder / "nan.safetensors")
    save_file({**tensors, name: tensors[name] + float("inf")}, folder / "infinite.safetensors")
    save_file({key: value for key, value in tensors.items() if key != name}, folder / "lacking.safetensors")
    save_file({**tensors, "extra.weight": torch.ones(1)}, folder / "extra.safetensors")
    torch.save({"model": tensors, "epoch": 3}, folder / "whole.pth")
    for end, zipped in (("sparse", True), ("sparse_legacy", False)):
        torch.save(
            {**tensors, name: tensors[name].to_sparse()},
            folder / f"{end}.pth",
            _use_new_zipfile_serialization=zipped,
        )
    (folder / "truncated.pth").write_bytes((folder / "whole.pth").read_bytes()[:-2000])
    torch.save({"model": tensors, "hook": _Forbidden()}, folder / "forbidden.pth")
    (folder / "pickle.pth").write_bytes(pickle.dumps({"weight": [1.0]}))
    with zipfile.ZipFile(folder / "zip.pth", "w") as archive:
        archive.writestr("readme.txt", "no weights")
    return folder


class _Forbidden:
    """Runs a command when a careless reader unpickles it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch /tmp/a-pickle-was-run",)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures that are odd and can be read, and of some that cannot."""
    folder = tmp_path_factory.mktemp("pictures")
    gradient = np.linspace(0, 255, 24 * 32 * 3, dtype=np.uint8).reshape(24, 32, 3)
    picture = Image.fromarray(gradient)
    picture.crop((0, 0, 1, 1)).save(folder / "dot.png")
    frames = [picture, picture.rotate(180)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:], duration=100)
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(gradient[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    picture.convert("RGBA").save(folder / "alpha.png")
    picture.convert("P").save(folder / "palette.png")
    picture.convert("L").save(folder / "grey.png")
    picture.convert("1").save(folder / "bits.png")
    picture.resize((2000, 1)).save(folder / "line.png")
    whole = folder / "whole.png"
    picture.save(whole)
    (folder / "truncated.png").write_bytes(whole.read_bytes()[:120])
    (folder / "empty.png").touch()
    (folder / "directory.png").mkdir()
    (folder / "text.png").write_text("no picture\n")
    (folder / "binary.png").write_bytes(bytes(range(256)) * 16)
    _sparse(folder / "huge.png")
    Image.fromarray(gradient[..., 0].astype(np.float32)).save(folder / "float.tiff")
    return folder


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory, tiny) -> Path:
    """A folder of clips that are odd and can be read, and of some that cannot."""
    folder = tmp_path_factory.mktemp("clips")
    for name, frames in (("one_frame.mp4", 1), ("no_frame.avi", 0)):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("mpeg4", rate=8)
            stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
            container.start_encoding()
            for _ in range(frames):
                frame = av.VideoFrame.from_ndarray(np.full((24, 32, 3), 90, np.uint8), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    whole = tiny.clip.read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "head.mp4").write_bytes(whole[:64])
    (folder / "empty.mp4").touch()
    (folder / "directory.mp4").mkdir()
    (folder / "text.mp4").write_text("no clip\n")
    (folder / "binary.mp4").write_bytes(bytes(range(256)) * 16)
    _sparse(folder / "huge.mp4")
    with wave.open(str(folder / "sound.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * 800)
    return folder
