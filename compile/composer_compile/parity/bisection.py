"""After a miss: which node of the document is the first whose compiled value differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from composer.execution import Runner, build_program
from composer.graph import Checked
from composer.plan import Stage
from composer_compile.artifact.manifest import Parity
from composer_compile.artifact.weight_store import WeightStore
from composer_compile.backends.contract import Builder, Loader
from composer_compile.errors import CompileError
from composer_compile.options import BuildOptions
from composer_compile.parity.corner_samples import sample
from composer_compile.parity.gate import grouped
from composer_compile.parity.live import entering, live_values, walk_beside
from composer_compile.runtime.loaded_parts import LoadedGenerate, LoadedStage, ids_name, logits_name
from composer_compile.runtime.loaded_task import LoadedTask
from composer_compile.scratch import Scratch
from composer_compile.stages.modules import StageModule
from composer_compile.stages.probe import probe
from composer_compile.stages.stager import StagedTask
from composer_compile.tensors.differences import difference, within
from composer_compile.tensors.specs import ProgramSpec
from composer_compile.tensors.variants import Variant, each_variant

__all__ = ["first_diverging_node"]


@torch.inference_mode()
def first_diverging_node(
    *,
    staged: StagedTask,
    reference: StagedTask,
    loaded: LoadedTask,
    runner: Runner,
    parity: Parity,
    sizes: Mapping[str, int],
    builder: Builder,
    loader: Loader,
    options: BuildOptions,
    report: Checked,
) -> str:
    """Half a sentence that names the node and its line.

    Every program runs on what the live model gave before it; in running order, the first whose results differ holds
    the cause, and is compiled again to find it. What comes after a search runs on what the live search gave.
    """
    raw = sample(loaded, sizes)
    slots, _ = live_values(runner, loaded, raw)

    def program(
        part: LoadedStage,
        given: Mapping[str, Tensor],
        expected: Mapping[str, Tensor],
        known: Mapping[str, int],
    ) -> None:
        cast = entering(staged.specs[part.name], given)
        found = dict(zip(part.outputs, part.run(cast, known), strict=True))
        if not all(within(each, parity.tolerance) for each in grouped(loaded, found, expected, sizes)):
            raise _ProgramDiffersError(part.name, given, known)

    def search(part: LoadedGenerate, given: Mapping[str, Tensor], known: Mapping[str, int]) -> None:
        if _search_differs(part.name, parity, sizes):
            raise _SearchDiffersError(part.name)

    try:
        walk_beside(loaded, reference, runner, slots, raw, at_program=program, at_search=search)
    except _SearchDiffersError as found:
        place = _place(report, loaded.name, found.node)
        return f"every node before it agrees, so it is node `{found.node}` itself ({place})"
    except _ProgramDiffersError as found:
        spec, live = staged.specs[found.stage], reference.specs[found.stage]
        assert isinstance(live.module, StageModule)
        within_it = _Search(
            spec,
            live.module,
            entering(spec, found.given),
            entering(live, found.given),
            found.sizes,
            parity.tolerance,
            builder,
            loader,
            options,
            loaded.device,
        )
        try:
            node, how = within_it.run()
        except CompileError as error:
            return f"no node could be singled out ({error})"
        return f"{how} is `{node}` ({_place(report, loaded.name, node)})"
    return "no program differs by itself, so small differences add up from one to the next"


class _ProgramDiffersError(Exception):
    """Ends the walk at the first program whose results differ."""

    def __init__(self, stage: str, given: Mapping[str, Tensor], sizes: Mapping[str, int]) -> None:
        super().__init__(stage)
        self.stage, self.given, self.sizes = stage, given, sizes


class _SearchDiffersError(Exception):
    """Ends the walk at the first search that writes or scores something else."""

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node


@dataclass(frozen=True)
class _Search:
    """For the first diverging node of one program, which is compiled again with other outputs."""

    spec: ProgramSpec
    live: StageModule
    given: Sequence[Tensor]
    full: Sequence[Tensor]
    """What `given` is in full precision."""
    sizes: Mapping[str, int]
    tolerance: float
    builder: Builder
    loader: Loader
    options: BuildOptions
    device: torch.device

    def run(self) -> tuple[str, str]:
        """The node, and how it was found.

        First with the outputs of all nodes as outputs. That changes what a backend fuses; where it makes the
        difference go away, the program is cut after one node or another, with what lies beyond the cut as outputs.
        """
        steps = self.live.program.plan.steps
        every = [slot for step in steps for slot in step.targets.values()]
        node = self._differing(len(steps), every) if steps else None
        if node is not None:
            return node, "the first node that differs"
        # The last cut is the program itself, whose results differ; with the memory of a search comes one more.
        low, high = 0, len(steps) - (0 if self.live.starts else 1)
        while low < high:
            middle = (low + high) // 2
            if self._differing(middle + 1, self._beyond(middle + 1)) is None:
                low = middle + 1
            else:
                high = middle
        names = [*(step.name for step in steps), *self.live.starts]
        if not names:
            raise CompileError("the inputs are prepared otherwise")
        how = "all nodes agree while their values are shown; cut after one node or another, the first that differs"
        return names[low], how

    def _beyond(self, count: int) -> list[int]:
        """Slots of the first `count` steps that are read by later ones, or are results."""
        steps = self.live.program.plan.steps
        later = (*steps[count:], *(step for _, step in self.live.starts.values()))
        read = {*self.live.wanted, *(slot for step in later for slot in step.slots)}
        return [slot for step in steps[:count] for slot in step.targets.values() if slot in read]

    def _differing(self, count: int, wanted: Sequence[int]) -> str | None:
        """The node of the first wanted slot whose value differs, after the first `count` steps."""
        assert isinstance(self.spec.module, StageModule)
        expected = self._cut(self.live, count, wanted).outcome(*self.full).tensors
        for (name, theirs), ours in zip(
            expected.items(), self._compiled(self._cut(self.spec.module, count, wanted)), strict=True
        ):
            if not within(difference(name, self.sizes, ours, theirs), self.tolerance):
                return name.partition(".")[0]
        return None

    def _cut(self, stage: StageModule, count: int, wanted: Sequence[int]) -> StageModule:
        plan = stage.program.plan
        shorter = replace(plan, stages=(Stage(stage.name, plan.steps[:count], "encode"),))
        program = build_program(shorter, stage.program.modules_by_name).eval()
        return StageModule(
            name=stage.name,
            program=program.to(self.device, stage.dtype),
            dtype=stage.dtype,
            templates=stage.templates,
            wanted=wanted,
            starts={},
        ).eval()

    def _compiled(self, module: StageModule) -> Sequence[Tensor]:
        _, outputs = probe(module, self.spec.inputs, self.spec.ranges, self.spec.declared)
        spec = replace(self.spec, module=module, outputs=outputs)
        found = each_variant(spec, lambda variant: self._run(spec, variant))
        return next(results for results in found if results is not None)

    def _run(self, spec: ProgramSpec, variant: Variant) -> Sequence[Tensor] | None:
        """What the program gives, where it is the one for these sizes."""
        if not variant.holds(self.sizes):
            return None
        store = WeightStore({})
        compiled = self.builder.compile(spec, variant, store, self.options)
        with Scratch("program") as folder:
            path = folder / f"program{compiled.suffix}"
            path.write_bytes(compiled.content)
            weights = [None if key is None else store.tensor(key) for key in compiled.weights]
            function = self.loader.load(lambda: path, memoryview(compiled.content), weights, self.device)
            return list(function(*self.given))


def _search_differs(node: str, parity: Parity, sizes: Mapping[str, int]) -> bool:
    """Whether a `generate` node scores or writes something else at these sizes."""
    own = [
        each
        for each in parity.differences
        if each.output in (logits_name(node), ids_name(node)) and each.sizes == dict(sizes)
    ]
    return not all(within(each, parity.tolerance) for each in own)


def _place(report: Checked, task: str, node: str) -> str:
    return str(report.document.tree.place(report.tasks[task].nodes[node].path, key=True))
