"""The program file of the tensorrt backend: read back as written, and refused where it was altered."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from composer_compile.backends.tensorrt import program_file
from composer_compile.errors import ArtifactError
from engines import packed


def test_a_program_file_is_the_same_every_time_and_reads_back() -> None:
    content = program_file.pack(packed())
    assert content == program_file.pack(packed())
    assert program_file.unpack(content) == packed()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["engines/0.engine", "engines/1.engine", "program.json"]


def with_engine(content: bytes) -> program_file.Packed:
    """A program whose first engine is another one."""
    made = packed()
    first, *others = made.program.steps
    step = first.model_copy(update={"sha256": program_file.digest(content)})
    program = made.program.model_copy(update={"steps": [step, *others]})
    return program_file.Packed(program, {**made.files, "engines/0.engine": content})


def test_what_repeats_takes_little_room_and_reads_back() -> None:
    kernels = with_engine(b"".join(number.to_bytes(8, "little") for number in range(20_000)) * 3)
    content = program_file.pack(kernels)
    assert len(content) < len(kernels.files["engines/0.engine"]) / 2
    assert program_file.unpack(content) == kernels


def test_what_would_grow_beyond_measure_is_stored_as_it_is() -> None:
    """So a file that grows more than any that is written can be refused before it fills a memory."""
    zeros = with_engine(bytes(1_000_000))
    content = program_file.pack(zeros)
    assert len(content) > 1_000_000
    assert program_file.unpack(content) == zeros
    with pytest.raises(
        ArtifactError, match=r"holds 'engines/0\.engine', which is no engine, so it is not loaded"
    ):
        program_file.unpack(repacked(lambda files: files.update({"engines/0.engine": bytes(1_000_000)})))


def test_entries_that_lead_elsewhere_or_say_too_much_are_refused() -> None:
    with pytest.raises(ArtifactError, match=r"'\.\./x', which is not a name of a file in a folder"):
        program_file.unpack(repacked(lambda files: files.update({"../x": b"x"})))
    content = program_file.pack(packed())
    for cut in range(0, len(content), max(len(content) // 40, 1)):
        with pytest.raises(ArtifactError):
            program_file.unpack(content[:cut])


def repacked(change: Callable[[dict[str, bytes]], None]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(program_file.pack(packed()))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _described(files: dict[str, bytes], **changed: Any) -> None:
    files["program.json"] = json.dumps({**json.loads(files["program.json"]), **changed}).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: files.update({"engines/1.engine": b"Second"}), r"engines/1\.engine .* hash differs"),
        (lambda files: files.pop("engines/0.engine"), r"lacks its engines/0\.engine"),
        (lambda files: files.update({"data.pkl": b"x"}), r"holds data\.pkl, which it does not name"),
        (lambda files: files.pop("program.json"), "holds no TensorRT program"),
        (lambda files: _described(files, version=2), "fault at version"),
        (lambda files: _described(files, more=1), "fault at more"),
    ],
)
def test_an_altered_program_file_is_refused(change: Callable[[dict[str, bytes]], None], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        program_file.unpack(repacked(change))


def test_a_file_that_is_no_program_is_refused() -> None:
    with pytest.raises(ArtifactError, match="no TensorRT program"):
        program_file.unpack(b"vtrt\x00\x00")
