"""What goes to the process that builds engines: a stage comes to it exported, a program goes back as files of the form
that the build cache has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from composer_compile.artifact.weight_store import WeightStore
from composer_compile.backends.tensorrt.build_cache import BuildCache
from composer_compile.backends.tensorrt.engine_build import BuildRecipe, build
from composer_compile.backends.tensorrt.engine_graph import read_graph
from composer_compile.backends.tensorrt.program_file import Packed, pack
from composer_compile.backends.tensorrt.segments import owners_of
from composer_compile.building.stage_file import defined_in, read_stage, write_stage
from composer_compile.errors import CompileError
from composer_compile.tensors.specs import ProgramSpec
from composer_compile.tensors.variants import Variant

__all__ = ["EngineJob"]

PROGRAM = "program"
Found = tuple[bytes, Packed, dict[str, Tensor]]


@dataclass(frozen=True)
class EngineJob:
    """What to build. The exported stage lies in `folder`, where the program is to lie; `spec` comes without module."""

    folder: Path
    spec: ProgramSpec
    variant: Variant
    recipe: BuildRecipe
    device: torch.device
    owners: Mapping[str, tuple[str, ...]]
    made_with: Mapping[str, str]
    targets: tuple[str, ...]
    graphs: bool
    shared: tuple[str, ...]
    """Keys of the weights that the exported stage takes as its first inputs."""
    imports: tuple[str, ...]
    """The Python modules that define the stage's classes."""
    library: str = "Torch-TensorRT"

    @classmethod
    def of(
        cls,
        folder: Path,
        exported: ExportedProgram,
        spec: ProgramSpec,
        variant: Variant,
        recipe: BuildRecipe,
        device: torch.device,
        *,
        made_with: Mapping[str, str],
        targets: tuple[str, ...],
        graphs: bool,
        shared: tuple[str, ...] = (),
    ) -> EngineJob:
        """The job of a stage, which is put into the folder."""
        write_stage(exported, folder)
        return cls(
            folder=folder,
            spec=replace(spec, module=nn.Identity(), identity=None, computation=None),
            variant=variant,
            recipe=recipe,
            device=device,
            owners=owners_of(exported, spec),
            made_with=made_with,
            targets=targets,
            graphs=graphs,
            shared=shared,
            imports=defined_in(spec.module),
        )

    @property
    def stage(self) -> str:
        return self.spec.name

    def run(self) -> None:
        exported = read_stage(self.folder, self.stage, self.imports)
        graph, left = build(exported, self.spec, self.variant, self.recipe, self.device, self.owners)
        store = WeightStore({})
        packed = read_graph(
            graph,
            self.spec,
            self.variant,
            store,
            made_with=self.made_with,
            targets=self.targets,
            left=left,
            graphs=self.graphs,
            shared=self.shared,
        )
        own = [key for key in packed.program.weights if key not in self.shared]
        weights: dict[str, Any] = {key: store.tensor(key) for key in own}
        BuildCache(self.folder).put(PROGRAM, pack(packed), weights)

    def found(self) -> Found:
        """After it ran: a program file, read, and the weights that its torch side reads, without the shared ones."""
        found = BuildCache(self.folder).get(PROGRAM)
        if found is None:
            raise CompileError(
                f"stage {self.stage} cannot be built: its program came damaged out of the builder"
            )
        return found
