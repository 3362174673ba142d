"""The file of one program: engines, the parts that stay with torch, and a JSON of how they are wired. Never pickled.

A zip: `program.json`, `engines/<n>.engine`, `torch/<n>.pt2`. Equal parts give equal bytes. It is compressed: an engine
whose weights lie elsewhere is mostly kernels, written out in ways that repeat, and a tenth of it is left.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Union

from pydantic import BaseModel, ConfigDict, ValidationError

from composer_compile.artifact.container import unsafe_entry
from composer_compile.errors import ArtifactError

__all__ = ["Binding", "EngineProgram", "EngineStep", "Packed", "TorchStep", "digest", "pack", "unpack"]

DESCRIPTION = "program.json"
EPOCH = (1980, 1, 1, 0, 0, 0)
NO_PROGRAM = "a program file of the artifact holds no TensorRT program"
LEVEL = 6
MOST_GROWTH = 100
"""How many times larger than in the file a part may be: one that would be more is stored as it is."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Binding(_Entry):
    """A tensor that goes into or out of an engine, or of the whole program."""

    name: str
    """What the engine calls it."""
    value: str
    """The value of the program that it is."""
    dtype: str
    """Number format; empty where the library does not note it."""
    smallest: list[int] | None
    """Its shape at the smallest sizes: the profile's minimum; null where it could not be worked out."""
    best: list[int] | None
    """Its shape at the sizes to be fastest at."""
    largest: list[int] | None
    """Its shape at the largest sizes."""


class EngineStep(_Entry):
    """An engine and its bindings in calling order."""

    engine: str
    """Its file."""
    sha256: str
    """Hash of its bytes."""
    inputs: list[Binding]
    """What goes in."""
    outputs: list[Binding]
    """What comes out."""
    output_allocator: bool
    """Whether the size of a result depends on the data."""


class TorchStep(_Entry):
    """Operations that stay with torch: an exported program without its weights."""

    program: str
    """Its file."""
    sha256: str
    """Hash of its bytes."""
    inputs: list[str]
    """Values that go in."""
    outputs: list[str]
    """Values that come out."""
    weights: list[int]
    """What it takes of the program's `weights`, by position; -1 for one that it does not read."""


class EngineProgram(_Entry):
    """`program.json`."""

    format: Literal["composer-tensorrt-program"] = "composer-tensorrt-program"
    """Tells this file from any other JSON."""
    version: Literal[1] = 1
    """Version of the format."""
    made_with: dict[str, str]
    """Library, versions and platform that the engines were built with."""
    targets: list[str]
    """Compute capabilities that the engines run on."""
    inputs: list[Binding]
    """The stage's inputs with the profile."""
    outputs: list[str]
    """The values that are the stage's outputs, in order."""
    weights: list[str]
    """What it reads of the artifact's weights, by key: what stays with torch, and what engines take as inputs."""
    shared: list[str] = []
    """Those of them that are the modules' own and inputs of engines; the engines hold the rest inside."""
    constants: dict[str, int]
    """Values that are the same for every request, by their position in `weights`."""
    steps: list[Union[EngineStep, TorchStep]]
    """What runs, in order."""
    left: list[str]
    """Operations that stay with torch, for people."""
    graphs: bool
    """Whether the engines run through CUDA graphs."""


@dataclass(frozen=True)
class Packed:
    """A program's description, and the content of its files by name."""

    program: EngineProgram
    files: Mapping[str, bytes]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pack(packed: Packed) -> bytes:
    """The content of the program's file."""
    text = json.dumps(packed.program.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted({**packed.files, DESCRIPTION: text.encode()}.items()):
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr = 0o644 << 16
            packs = len(zlib.compress(content, LEVEL)) * MOST_GROWTH > len(content)
            archive.writestr(info, content, zipfile.ZIP_DEFLATED if packs else zipfile.ZIP_STORED, LEVEL)
    return buffer.getvalue()


def unpack(content: bytes | memoryview) -> Packed:
    """Read a program's file and verify every part of it.

    Raises:
        ArtifactError: it is no such file, of another version, or a part is missing, additional or altered.
    """
    files = _parts(content)
    try:
        program = EngineProgram.model_validate_json(files.pop(DESCRIPTION))
    except KeyError:
        raise ArtifactError(NO_PROGRAM) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ArtifactError(
            f"a TensorRT program of the artifact has a fault at {where}: {first['msg']}"
        ) from None
    expected = {
        step.engine if isinstance(step, EngineStep) else step.program: step.sha256 for step in program.steps
    }
    for name, known in expected.items():
        if name not in files:
            raise ArtifactError(f"a TensorRT program of the artifact lacks its {name}")
        if digest(files[name]) != known:
            raise ArtifactError(f"{name} of a TensorRT program is not what was built (its hash differs)")
    if set(files) - set(expected):
        raise ArtifactError(
            f"a TensorRT program of the artifact holds {min(set(files) - set(expected))}, which it does not name"
        )
    return Packed(program, files)


def _parts(content: bytes | memoryview) -> dict[str, bytes]:
    """What lies in a program's file, by name. Raises ArtifactError where it was made to fill a memory."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            grown = next((e for e in entries if e.file_size > MOST_GROWTH * max(e.compress_size, 1)), None)
            fault = unsafe_entry(entries, len(content)) or (
                grown and f"{grown.filename!r}, which is no engine"
            )
            if fault is None:
                return {each.filename: archive.read(each) for each in entries}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError, EOFError):
        raise ArtifactError(NO_PROGRAM) from None
    raise ArtifactError(f"a TensorRT program of the artifact holds {fault}, so it is not loaded")
