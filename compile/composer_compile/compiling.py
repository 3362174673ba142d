"""Compiling: a document with weights to an artifact that was compared with the live model before it was written."""

from __future__ import annotations

import copy
import hashlib
import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from composer.graph import Report
from composer.plan import Plan
from composer.plugin import Registry, load_registry
from composer.runtime import Model, Runner, build_program
from composer.runtime import load as load_model
from composer_compile.artifact import Artifact, backend_of
from composer_compile.container import MANIFEST, open_container
from composer_compile.describing import Files, describe_task, span
from composer_compile.diverging import first_diverging_node
from composer_compile.errors import CompileError
from composer_compile.exportable import check_exportable
from composer_compile.exporting import variants_of
from composer_compile.hosting import without_host_steps
from composer_compile.licenses import licenses_text
from composer_compile.manifest import Backend, Manifest, Parity, Program, Task, write_manifest
from composer_compile.parity import TOLERANCES, compare_task
from composer_compile.ranges import FreeDims, check_overrides, find_free_dims, overrides_for
from composer_compile.recording import record_samples
from composer_compile.seam import BackendImplementation
from composer_compile.specs import StageSpec
from composer_compile.stages import DecodeStage
from composer_compile.staging import Staged, stage_plan
from composer_compile.weights import WeightStore
from composer_compile.writing import check_target, file_entries, put_in_place, workplace

__all__ = ["DTYPE_OF", "Options", "compile_document"]

DTYPE_OF = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """How to compile; what is left out comes from the document's `compile:`."""

    backend: str = "export"
    ranges: Mapping[str, str] = field(default_factory=dict)
    precision: str | None = None
    tolerance: float | None = None
    accept_drift: bool = False


def compile_document(
    document: str | Path | Report,
    out: str | Path,
    *,
    tasks: Iterable[str] | None = None,
    weights: str | Path | None = None,
    layout: str | None = None,
    settings: Mapping[str, Any] | None = None,
    options: Options | None = None,
    device: str = "cpu",
    registry: Registry | None = None,
    progress: Progress = lambda line: None,
) -> Manifest:
    """Compile tasks of a document (all, unless named) into one artifact: a directory, or a zip where `out` ends so.

    Raises:
        DocumentError, WeightsError: as `composer.load`. BackendError: the backend is not installed.
        CompileError: a stage cannot be compiled, the target is taken, or a compiled program drifts past the tolerance.
            Nothing is written then, and an artifact that was there stays.
    """
    chosen = options or Options()
    target = Path(out)
    check_target(target)
    registry = registry if registry is not None else load_registry()
    backend = backend_of(registry, chosen.backend, "compiling")
    backend.check_installed()
    model = load_model(
        document,
        weights=weights,
        layout=layout,
        settings=settings,
        device=device,
        tasks=tasks,
        registry=registry,
    )
    with workplace(target) as folder:
        job = _Job(
            model, registry, backend, chosen, folder, progress, _command(document, tasks, chosen, settings)
        )
        manifest = job.run()
        put_in_place(folder, target)
    return manifest


@dataclass
class _Prepared:
    """A task with its stages in full precision (the reference) and in the precision that is compiled."""

    runner: Runner
    plan: Plan
    free: FreeDims
    reference: Staged
    staged: Staged
    precision: str


@dataclass
class _Job:
    model: Model
    registry: Registry
    backend: BackendImplementation
    options: Options
    folder: Path
    progress: Progress
    command: str
    made: dict[Any, Program] = field(default_factory=dict)
    cast: dict[str, dict[str, nn.Module]] = field(default_factory=dict)

    def run(self) -> Manifest:
        check_exportable(self.model.report, self.model.tasks, self.registry)
        check_overrides([self.model.runner(name).plan for name in self.model.tasks], self.options.ranges)
        prepared = {name: self._prepare(name) for name in self.model.tasks}
        modules = {
            f"{name}" if precision == "fp32" else f"{name}({precision})": module
            for precision, group in {"fp32": self.model.modules, **self.cast}.items()
            for name, module in group.items()
        }
        store = WeightStore(modules)
        files = Files(self.folder)
        tasks: dict[str, Task] = {}
        for name, task in prepared.items():
            programs = {
                stage: self._programs(name, spec, task.precision, store)
                for stage, spec in task.staged.specs.items()
            }
            tasks[name] = describe_task(
                task.plan, task.staged, task.free, programs, self.registry, files, task.precision
            )
        stored = store.write(self.folder)
        (self.folder / "document.json").write_text(self._document(), encoding="utf-8")
        types = [module.type.id for module in self.model.report.modules.values()]
        (self.folder / "LICENSES.txt").write_text(licenses_text(self.registry, types), encoding="utf-8")
        document = self.model.report.document
        assert document is not None
        manifest = Manifest(
            name=self.model.report.name,
            summary=document.shape.summary,
            command=self.command,
            backend=Backend(id=self.options.backend, made_with=self.backend.made_with(self.model.device)),
            tasks=tasks,
            weights=stored,
            parity={},
            files=file_entries(self.folder),
        )
        manifest = manifest.model_copy(update={"parity": self._compare(manifest, prepared)})
        manifest = manifest.model_copy(update={"files": file_entries(self.folder)})
        (self.folder / MANIFEST).write_bytes(write_manifest(manifest))
        return manifest

    def _prepare(self, name: str) -> _Prepared:
        runner = self.model.runner(name)
        shape = runner.plan.task.compile
        precision = self.options.precision or shape.precision
        free = find_free_dims(runner.plan, self.registry, overrides_for(runner.plan, self.options.ranges))
        reference = self._staged(runner.plan, free, "fp32")
        staged = reference if precision == "fp32" else self._staged(runner.plan, free, precision)
        return _Prepared(runner, runner.plan, free, reference, staged, precision)

    def _staged(self, plan: Plan, free: FreeDims, precision: str) -> Staged:
        modules = self._cast(precision)
        tensor_plan, host = without_host_steps(plan, self.registry)
        program = build_program(tensor_plan, modules).eval()
        program.to(self.model.device, getattr(torch, DTYPE_OF[precision]))
        return stage_plan(tensor_plan, host, program, modules, free, self.registry, DTYPE_OF[precision])

    def _cast(self, precision: str) -> dict[str, nn.Module]:
        if precision == "fp32":
            return self.model.modules
        if precision not in self.cast:
            dtype = getattr(torch, DTYPE_OF[precision])
            self.cast[precision] = {
                name: copy.deepcopy(module).to(dtype).eval() for name, module in self.model.modules.items()
            }
        return self.cast[precision]

    def _programs(self, task: str, spec: StageSpec, precision: str, store: WeightStore) -> list[Program]:
        programs = []
        for variant in variants_of(spec.ranges):
            key = (
                _identity(spec.module),
                precision,
                tuple((each.dtype, each.dims) for each in spec.inputs),
                tuple(variant.fixed.items()),
                tuple(variant.ranges.items()),
            )
            if key not in self.made:
                self.progress(f"{task}: {spec.name} ({variant.label})")
                compiled = self.backend.compile(spec, variant, store)
                digest = hashlib.sha256(compiled.content).hexdigest()[:16]
                name = f"programs/{digest}{compiled.suffix}"
                (self.folder / "programs").mkdir(exist_ok=True)
                (self.folder / name).write_bytes(compiled.content)
                self.made[key] = Program(
                    file=name,
                    fixed=dict(variant.fixed),
                    ranges={label: span(found) for label, found in variant.ranges.items()},
                    weights=list(compiled.weights),
                )
            programs.append(self.made[key])
        return programs

    def _compare(self, manifest: Manifest, prepared: Mapping[str, _Prepared]) -> dict[str, Parity]:
        """The gate: the artifact as it lies in the folder, against the live model."""
        (self.folder / MANIFEST).write_bytes(write_manifest(manifest))
        parity = {}
        container = open_container(self.folder)
        with Artifact(
            container=container, backend=self.backend, registry=self.registry, device=self.model.device
        ) as artifact:
            for name, task in prepared.items():
                self.progress(f"{name}: comparing with the live model")
                tolerance = self._tolerance(task)
                found = compare_task(artifact.task(name), task.runner, task.reference, tolerance)
                if found.missed is not None and not self.options.accept_drift:
                    raise CompileError(self._missed(name, task, artifact, found.missed, found.parity))
                parity[name] = found.parity
            record_samples(artifact, self.folder)
        return parity

    def _tolerance(self, task: _Prepared) -> float:
        shape = task.plan.task.compile
        for value in (self.options.tolerance, shape.tolerance if self.options.precision is None else None):
            if value is not None:
                return float(value)
        return TOLERANCES[task.precision]

    def _missed(self, name: str, task: _Prepared, artifact: Artifact, output: str, parity: Parity) -> str:
        worst = max(
            (each for each in parity.differences if each.output == output), key=lambda each: each.max_rel
        )
        sizes = ", ".join(f"{key}={size}" for key, size in worst.sizes.items()) or "its only size"
        what = (
            "generates other ids" if worst.ids is not None else f"differs by {worst.max_rel:.3g} (relative)"
        )
        place = first_diverging_node(
            task.staged,
            task.reference,
            artifact.task(name),
            worst.sizes,
            self.backend,
            self.model.report,
            parity.tolerance,
        )
        return (
            f"task `{name}`: compiled {output} {what} from the live model at {sizes}, and {parity.tolerance:g} is "
            f"accepted; {place}; nothing was written (--accept-drift writes it and notes the drift)"
        )

    def _document(self) -> str:
        document = self.model.report.document
        assert document is not None
        return (
            json.dumps(document.shape.model_dump(mode="json", by_alias=True), indent=1, ensure_ascii=False)
            + "\n"
        )


def _identity(module: nn.Module) -> Any:
    """What makes two decode stages one program: the same decoder and beams. Other stages are their own."""
    return (id(module.decoder), module.beams) if isinstance(module, DecodeStage) else id(module)


def _command(
    document: str | Path | Report,
    tasks: Iterable[str] | None,
    options: Options,
    settings: Mapping[str, Any] | None,
) -> str:
    name = document.name if isinstance(document, Report) else Path(str(document)).name
    first, *rest = tasks if tasks is not None else [""]
    words = ["composer", "compile", f"{name}:{first}" if first else name, *rest, "--backend", options.backend]
    if options.precision is not None:
        words += ["--precision", options.precision]
    words += [word for key, value in (settings or {}).items() for word in ("--set", f"{key}={value}")]
    words += [word for key, text in options.ranges.items() for word in ("--range", f"{key}={text}")]
    return shlex.join(words)
