"""After a miss: which node of the document is the first whose compiled value differs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from composer.graph import Report
from composer_compile.errors import CompileError
from composer_compile.exporting import variants_of
from composer_compile.parity import difference
from composer_compile.samples import sample, vocabulary_sizes
from composer_compile.seam import BackendImplementation, BuildOptions
from composer_compile.specs import DTYPES, StageSpec
from composer_compile.stages import TensorStage
from composer_compile.staging import Staged
from composer_compile.tasks import LoadedTask
from composer_compile.weights import WeightStore

__all__ = ["first_diverging_node"]


class _EveryValue(nn.Module):
    """A stage that gives the outputs of all its nodes."""

    def __init__(self, stage: TensorStage) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.stage.values_of_nodes(*tensors).values())


@torch.inference_mode()
def first_diverging_node(
    staged: Staged,
    reference: Staged,
    loaded: LoadedTask,
    sizes: Mapping[str, int],
    backend: BackendImplementation,
    report: Report,
    tolerance: float,
    options: BuildOptions,
) -> str:
    """Half a sentence that names the node and its line.

    Every program before the first generated token is compiled once more with the outputs of all its nodes as outputs,
    and run on what the live programs before it gave; in running order, the first that differs is the cause.
    """
    raw = sample(loaded.task, sizes, vocabulary_sizes(loaded.requests.processors))
    fitted, fitted_sizes = loaded.requests.fit(raw)
    values = {name: tensor.to(loaded.device) for name, tensor in fitted.items()}
    for part in staged.order:
        if not isinstance(part, str):
            place = _place(report, loaded.name, part.name)
            return f"every node before it agrees, so it is node `{part.name}` itself ({place})"
        spec, live = staged.specs[part], reference.specs[part]
        assert isinstance(live.module, TensorStage)
        full = _entering(live, values)
        try:
            found = _compiled_values(
                spec, _entering(spec, values), fitted_sizes, backend, loaded.device, options
            )
        except CompileError as error:
            return f"no node could be singled out ({error})"
        for ((node, name), expected), ours in zip(
            live.module.values_of_nodes(*full).items(), found, strict=True
        ):
            if not difference(name, sizes, ours, expected).max_rel <= tolerance:
                return f"the first node that differs is `{node}` ({_place(report, loaded.name, node)})"
        values.update(live.module.outcome(*full).tensors)
    return "every node agrees when compiled with all values shown"


def _entering(spec: StageSpec, values: Mapping[str, Tensor]) -> list[Tensor]:
    return [values[each.name].to(DTYPES[each.dtype]) for each in spec.inputs]


def _compiled_values(
    spec: StageSpec,
    tensors: list[Tensor],
    sizes: Mapping[str, int],
    backend: BackendImplementation,
    device: torch.device,
    options: BuildOptions,
) -> list[Tensor]:
    module = _EveryValue(spec.module)  # type: ignore[arg-type]
    every = replace(spec, module=module)
    variant = next(each for each in variants_of(spec.ranges) if each.holds(sizes))
    store = WeightStore({})
    compiled = backend.compile(every, variant, store, options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"program{compiled.suffix}")
        path.write_bytes(compiled.content)
        weights = [None if key is None else store.tensor(key) for key in compiled.weights]
        function = backend.load(lambda: path, memoryview(compiled.content), weights, device)
        return list(function(*tensors))


def _place(report: Report, task: str, node: str) -> str:
    assert report.document is not None
    return str(report.document.tree.place(report.tasks[task].nodes[node].path, key=True))
