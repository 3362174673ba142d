"""The build cache: finished program files under the hash of everything that they were made from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from torch import Tensor
from torch.export import ExportedProgram

from composer.files import replace_file
from composer.problems import InputError
from composer_compile.artifact.weight_store import StoredWeights, content_key
from composer_compile.backends.tensorrt.engine_build import BuildRecipe
from composer_compile.backends.tensorrt.program_file import Packed, unpack
from composer_compile.errors import ArtifactError, BackendError
from composer_compile.tensors.points import PointSizes
from composer_compile.tensors.specs import ProgramSpec
from composer_compile.tensors.variants import Variant

__all__ = ["BuildCache", "build_key"]

FORMAT = "4"
"""Changes whenever programs are built in another way."""


def build_key(
    exported: ExportedProgram,
    spec: ProgramSpec,
    variant: Variant,
    recipe: BuildRecipe,
    made_with: Mapping[str, str],
    graphs: bool,
    shared: Sequence[str] = (),
) -> str:
    """The hash of graph, weights, profile, precision, targets, memory limit and library versions."""
    points = PointSizes.of(variant).points
    tensors = {**exported.state_dict, **exported.constants}
    parts = [
        FORMAT,
        str(exported.graph_module.graph),
        *(f"{node.name} {_shown(node.meta.get('val'))}" for node in exported.graph_module.graph.nodes),
        *(f"{name} {content_key(each)}" for name, each in tensors.items() if isinstance(each, Tensor)),
        *(f"{each.name} {each.dtype} {[each.shape(point) for point in points]}" for each in spec.inputs),
        repr([each.name for each in spec.outputs]),
        repr(list(shared)),
        repr((recipe.targets, recipe.keep, recipe.memory_limit, graphs)),
        repr(sorted(made_with.items())),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _shown(value: object) -> str:
    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else str(value)


def _fill(data: bytes, file: BinaryIO) -> None:
    file.write(data)


class BuildCache:
    """A directory of program files, and beside each the weights that its torch side reads."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BackendError(f"--build-cache {folder} cannot be made: {error.strerror or error}") from None
        self.folder = folder

    def get(self, key: str) -> tuple[bytes, Packed, dict[str, Tensor]] | None:
        """A program file, read, and its weights by key; None where there is none, or where it is damaged."""
        import torch

        program, weights = self._paths(key)
        try:
            content, stored = program.read_bytes(), weights.read_bytes()
            packed = unpack(content)
            found = StoredWeights(memoryview(bytearray(stored)), torch.device("cpu"), str(weights))
            held = {name: found[name] for name in found.keys()}  # noqa: SIM118 (not a mapping)
        except (OSError, ArtifactError):
            return None
        damaged = any(content_key(tensor) != name for name, tensor in held.items())
        if damaged or set(packed.program.weights) - set(packed.program.shared) != set(held):
            return None
        return content, packed, held

    def put(self, key: str, content: bytes, weights: Mapping[str, Tensor]) -> None:
        """Keep a program; a process that is killed leaves no half file under its name."""
        from safetensors.torch import save

        program, beside = self._paths(key)
        held = {name: tensor.cpu().contiguous() for name, tensor in sorted(weights.items())}
        # The program last: it is looked for first.
        for path, data in ((beside, save(held)), (program, content)):
            try:
                replace_file(path, partial(_fill, data), several=True)
            except InputError as error:
                raise BackendError(f"--build-cache {error}") from None

    @property
    def timing(self) -> str:
        """Where standard TensorRT keeps what it measured of kernels."""
        return str(self.folder / "timing.bin")

    def _paths(self, key: str) -> tuple[Path, Path]:
        return self.folder / f"{key}.trt", self.folder / f"{key}.safetensors"
