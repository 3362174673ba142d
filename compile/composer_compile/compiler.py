"""Compiling: a document with weights to an artifact that was compared with the live model before it was written."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from composer.execution import Model, Runner, device_of
from composer.execution import load as load_model
from composer.graph import Report, check
from composer.language import Source
from composer.plan import Plan
from composer.plugin import Registry, load_registry
from composer.problems.render.machine import json_bytes
from composer.problems.suggest import unknown
from composer.sources import GivenNames, GivenWeights
from composer.sources.lock_file import lock_place
from composer_compile.artifact.command import command_of, without_paths
from composer_compile.artifact.container import MANIFEST, container_of
from composer_compile.artifact.dtypes import DTYPES
from composer_compile.artifact.licenses import licenses_text
from composer_compile.artifact.manifest import BackendEntry, Manifest, Operation, Parity, Task, WeightsOrigin
from composer_compile.artifact.manifest_file import write_manifest
from composer_compile.artifact.requirements import requirements_of
from composer_compile.artifact.weight_store import WeightStore
from composer_compile.artifact.writer import check_target, file_entries, put_in_place, workplace
from composer_compile.backends.contract import Builder, Loader
from composer_compile.backends.registered import builder_of, builds_beside, loader_of
from composer_compile.errors import CompileError
from composer_compile.export.exportable import check_exportable, wanted_tasks
from composer_compile.options import Options
from composer_compile.parity.bisection import first_diverging_node
from composer_compile.parity.gate import compare_task
from composer_compile.parity.records import record_live_samples, record_samples
from composer_compile.patches import full_float32
from composer_compile.program_maker import ProgramMaker
from composer_compile.runtime.artifact import Artifact
from composer_compile.runtime.host_parts import UncompiledSizeError
from composer_compile.stages.constant_weights import fold_weights
from composer_compile.stages.host_nodes import without_host_steps
from composer_compile.stages.manifest_entries import Files, describe_task
from composer_compile.stages.partition import labels_of
from composer_compile.stages.stager import ModulesIn, Outline, StagedTask, stage_plan
from composer_compile.tensors.differences import TOLERANCES, WORST
from composer_compile.tensors.free_dims import check_overrides, find_free_dims, overrides_for
from composer_compile.tensors.precisions import DTYPE_OF, check_precision_names, precision_of

__all__ = ["compile_document"]

Progress = Callable[[str], None]


def compile_document(
    document: str | Path | Source | Report,
    out: str | Path,
    *,
    tasks: Iterable[str] | None = None,
    weights: GivenWeights = None,
    layout: GivenNames = None,
    root: GivenNames = None,
    init: str | Iterable[str] = (),
    settings: Mapping[str, Any] | None = None,
    options: Options | None = None,
    device: str = "cpu",
    locked: bool | str | Path = False,
    registry: Registry | None = None,
    progress: Progress = lambda line: None,
    loaded: Callable[[Model], None] = lambda model: None,
) -> Manifest:
    """Compile tasks of a document (all, unless named) into one artifact: a directory, or a zip where `out` ends so.

    Raises:
        DocumentError, WeightsError: as `composer.load`. BackendError: the backend is not installed.
        CompileError: a stage cannot be compiled, the target is taken, or a compiled program drifts past the tolerance.
            Nothing is written then, and an artifact that was there stays.
    """
    chosen = options or Options()
    tasks = None if tasks is None else list(tasks)
    _check_tolerance(chosen.tolerance)
    target = check_target(out)
    registry = registry if registry is not None else load_registry()
    loader = loader_of(registry, chosen.backend)
    loader.check_installed()
    builder = builder_of(registry, chosen.backend)
    builder.check_options(chosen.build, device_of(device))
    found = (
        document if isinstance(document, Report) else check(document, registry=registry, settings=settings)
    )
    report = found.raise_for_errors()
    # before weights are read; an unknown task is told while the model is loaded
    known = [name for name in wanted_tasks(report, tasks) if name in report.tasks]
    check_exportable(report, known, registry)
    fresh = (init,) if isinstance(init, str) else tuple(init)
    if chosen.seed is not None:
        torch.manual_seed(chosen.seed)
    model = load_model(
        report,
        weights=weights,
        layout=layout,
        root=root,
        init=fresh,
        device=device,
        tasks=tasks,
        locked=lock_place(document, registry) if locked is True else locked,
        registry=registry,
    )
    loaded(model)
    fold_weights(model.modules.values())
    command = command_of(
        document,
        tasks,
        chosen,
        weights=weights,
        layout=layout,
        root=root,
        init=fresh,
        settings=settings or {},
        device=device,
    )
    with workplace(target) as folder, full_float32():
        job = _Job(model, registry, builder, loader, chosen, folder, progress, command)
        try:
            manifest = job.run()
        finally:
            if (beside := builds_beside(builder)) is not None:
                beside.abandon()
        put_in_place(folder, target)
    return manifest


@dataclass
class _Prepared:
    """A task with its stages in full precision (the reference) and in the precision that is compiled."""

    runner: Runner
    outline: Outline
    reference: StagedTask
    staged: StagedTask

    @property
    def coarsest(self) -> str:
        """What the tolerance goes by."""
        return self.outline.precision.used(self.outline.plan)[-1]


@dataclass
class _Job:
    model: Model
    registry: Registry
    builder: Builder
    loader: Loader
    options: Options
    folder: Path
    progress: Progress
    command: str
    cast: dict[str, dict[str, nn.Module]] = field(default_factory=dict)

    def run(self) -> Manifest:
        plans = {name: self.model.runner(name).plan for name in self.model.tasks}
        check_overrides(plans.values(), self.options.ranges)
        check_precision_names(plans.values(), self.options.precisions)
        _check_session(plans.values(), self.options.session)
        prepared = self._prepare(plans)
        manifest = self._build(prepared)
        try:
            manifest = manifest.model_copy(update={"parity": self._compare(manifest, prepared)})
        except UncompiledSizeError as error:
            raise CompileError(
                f"the artifact cannot be compared with the live model: in a sample, {error.fault}; give a range that "
                f"holds it, such as `{error.option}`"
            ) from None
        manifest = manifest.model_copy(update={"files": file_entries(self.folder, manifest.files)})
        (self.folder / MANIFEST).write_bytes(write_manifest(manifest))
        return manifest

    def _build(self, prepared: Mapping[str, _Prepared]) -> Manifest:
        """Write all files of the artifact but the manifest, which is not compared with the live model yet."""
        report, folder = self.model.report, self.folder
        store = WeightStore(self._modules_by_label())
        maker = ProgramMaker(
            self.builder, self.options.build, store, folder, self.progress, report, self.registry
        )
        tasks = self._programs(prepared, maker)
        stored = store.write(folder)
        assert report.document is not None
        shape = report.document.shape
        told = json.dumps(
            without_paths(shape.model_dump(mode="json", by_alias=True)), indent=1, ensure_ascii=False
        )
        (folder / "document.json").write_bytes(json_bytes(told + "\n"))
        types = [module.type.id for module in report.modules.values()]
        (folder / "LICENSES.txt").write_text(licenses_text(self.registry, types), encoding="utf-8")
        made_with = self.builder.made_with(self.model.device, self.options.build)
        return Manifest(
            name=report.name,
            summary=shape.summary,
            command=self.command,
            backend=BackendEntry(id=self.options.backend, made_with=made_with),
            tasks=tasks,
            weights=stored,
            parity={},
            requires=requirements_of(tasks.values(), self.options.backend, self.registry),
            operations={
                name: Operation(module_types=found) for name, found in sorted(maker.operations.items())
            },
            sources=self._sources(),
            files=file_entries(folder),
        )

    def _modules_by_label(self) -> dict[str, nn.Module]:
        """Every module in every precision: `fusion`, `fusion(fp16)`."""
        return {
            name if precision == "fp32" else f"{name}({precision})": module
            for precision, group in {"fp32": self.model.modules, **self.cast}.items()
            for name, module in group.items()
        }

    def _programs(self, prepared: Mapping[str, _Prepared], maker: ProgramMaker) -> dict[str, Task]:
        """Make the programs of all tasks, and describe the tasks by them."""
        files = Files(self.folder)
        tasks: dict[str, Task] = {}
        maker.begin({name: task.staged.specs for name, task in prepared.items()})
        for name, task in prepared.items():
            programs = {stage: maker.programs(name, spec) for stage, spec in task.staged.specs.items()}
            host = task.runner.inputs.host
            tasks[name] = describe_task(task.outline, task.staged, programs, self.registry, files, host)
        return tasks

    def _sources(self) -> dict[str, WeightsOrigin]:
        """Where the weights of every module come from."""
        loading = self.model.loading
        if loading is None:
            return {name: WeightsOrigin(source="fresh") for name in self.model.modules}
        return {name: WeightsOrigin.model_validate(origin) for name, origin in loading.origins().items()}

    def _prepare(self, plans: Mapping[str, Plan]) -> dict[str, _Prepared]:
        """Every task, cut so that what several of them compute is one program."""
        options = self.options
        precisions = {
            name: precision_of(plan, options.precision, options.precisions) for name, plan in plans.items()
        }
        free = {
            name: find_free_dims(plan, self.registry, overrides_for(plan, options.ranges))
            for name, plan in plans.items()
        }
        labels = labels_of(
            plans, free, precisions, per_module=self.builder.per_module, session=options.session
        )
        prepared = {}
        for name, plan in plans.items():
            tensors, host = without_host_steps(plan, self.registry)
            outline = Outline(plan, tensors, host, free[name], labels[name], precisions[name])
            reference = self._staged(outline, lambda precision: (self.model.modules, torch.float32))
            is_full = precisions[name].used(plan) == ("fp32",)
            staged = reference if is_full else self._staged(outline, self._cast)
            prepared[name] = _Prepared(self.model.runner(name), outline, reference, staged)
        return prepared

    def _staged(self, outline: Outline, modules: ModulesIn) -> StagedTask:
        return stage_plan(outline, modules, self.registry, self.model.device)

    def _cast(self, precision: str) -> tuple[dict[str, nn.Module], torch.dtype]:
        """The modules in a precision, cast once for all tasks."""
        dtype = DTYPES[DTYPE_OF[precision]]
        if precision == "fp32":
            return self.model.modules, dtype
        if precision not in self.cast:
            # Copied together: what modules share, as those with adapters do, is shared by their copies.
            copies = copy.deepcopy(self.model.modules)
            self.cast[precision] = {name: module.to(dtype).eval() for name, module in copies.items()}
        return self.cast[precision], dtype

    def _compare(self, manifest: Manifest, prepared: Mapping[str, _Prepared]) -> dict[str, Parity]:
        """The gate: the artifact as it lies in the folder, against the live model.

        Programs for another machine cannot be compared here: then the live model's results are recorded, for
        `composer verify` to compare with on that machine.
        """
        reason = self.loader.mismatch(manifest.backend.made_with, self.model.device)
        parity = {}
        container = container_of(self.folder, manifest)
        with Artifact(
            container=container, loader=self.loader, registry=self.registry, device=self.model.device
        ) as artifact:
            for name, task in prepared.items():
                tolerance = self._tolerance(task)
                if reason is not None:
                    parity[name] = Parity(
                        tolerance=tolerance, passed=False, differences=[], not_measured=reason
                    )
                    continue
                found = compare_task(
                    artifact.task(name), task.runner, task.reference, tolerance, partial(self._tell, name)
                )
                if found.missed is not None and not self.options.accept_drift:
                    raise CompileError(self._missed(name, task, artifact, found.missed, found.parity))
                parity[name] = found.parity
            if reason is not None:
                live = {name: (task.runner, task.reference) for name, task in prepared.items()}
                record_live_samples(artifact, live, self.folder)
            else:
                record_samples(artifact, self.folder)
        return parity

    def _tell(self, task: str, line: str) -> None:
        self.progress(f"{task}: {line}")

    def _tolerance(self, task: _Prepared) -> float:
        options, shape = self.options, task.outline.plan.task.compile
        is_documents = options.precision is None and not options.precisions
        for value in (options.tolerance, shape.tolerance if is_documents else None):
            if value is not None:
                return float(value)
        return TOLERANCES[task.coarsest]

    def _missed(self, name: str, task: _Prepared, artifact: Artifact, output: str, parity: Parity) -> str:
        worst = max(
            (each for each in parity.differences if each.output == output), key=lambda each: each.max_rel
        )
        sizes = ", ".join(f"{key}={size}" for key, size in worst.sizes.items()) or "its only size"
        what = "generates other ids than the live model" if worst.ids is not None else _how_far(worst.max_rel)
        place = first_diverging_node(
            staged=task.staged,
            reference=task.reference,
            loaded=artifact.task(name),
            runner=task.runner,
            parity=parity,
            sizes=worst.sizes,
            builder=self.builder,
            loader=self.loader,
            options=self.options.build,
            report=self.model.report,
        )
        return (
            f"task `{name}`: compiled {output} {what} at {sizes}, and {parity.tolerance:g} is accepted; {place}; "
            "nothing was written (--accept-drift writes it and notes the drift)"
        )


def _check_tolerance(tolerance: float | None) -> None:
    if tolerance is not None and not 0 <= tolerance < math.inf:
        raise CompileError(f"the tolerance is {tolerance}: write a number that is not negative, such as 1e-4")


def _how_far(relative: float) -> str:
    if relative < WORST:
        return f"differs by {relative:.3g} (relative) from the live model"
    return (
        "holds NaN, no finite value, or an infinity where the live model has something else (the first two are misses "
        "even where the live model gives them, too),"
    )


def _check_session(plans: Iterable[Plan], session: Iterable[str]) -> None:
    """Raise CompileError for an input to keep that no task has."""
    known = sorted({name for plan in plans for name in plan.inputs})
    for name in session:
        if name not in known:
            raise CompileError(str(unknown("input", name, known, "what is compiled")))
