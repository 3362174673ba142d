"""From a staged task to its entry in the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from composer.execution.host_inputs import HostInputs, written_symbols
from composer.execution.read_files import files_of
from composer.graph import CheckedTask, Range, Read
from composer.plan import Plan, Step
from composer.plugin import Config, Registry
from composer.plugin.answers import as_vocabulary
from composer.plugin.asking import ask
from composer.plugin.implementations import framing_of
from composer.types import COUNTS
from composer_compile.artifact.manifest import (
    EvaluationEntry,
    Frame,
    GenerateEntry,
    HostCallEntry,
    Input,
    MetricEntry,
    Output,
    ProgramEntry,
    RangeEntry,
    ReadEntry,
    StageEntry,
    Task,
    Tensor,
)
from composer_compile.errors import CompileError
from composer_compile.stages.modules import decode_name, first_name, prefills
from composer_compile.stages.plugin_values import config_fields
from composer_compile.stages.stager import Outline, StagedTask
from composer_compile.tensors.forms import write_form
from composer_compile.tensors.specs import ProgramSpec, TensorSpec, samples_in

__all__ = ["Files", "describe_task", "span", "stage_entry"]


class Files:
    """Files that processors need, collected into the artifact under the hash of their content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, path: Path) -> str:
        """Copy a file once; its name in the artifact."""
        import hashlib

        try:
            content = path.read_bytes()
        except OSError as error:
            raise CompileError(f"{path}, which a processor needs, cannot be read: {error.strerror}") from None
        name = f"processors/{hashlib.sha256(content).hexdigest()[:16]}-{path.name}"
        target = self._folder / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
        return name


def span(found: Range) -> RangeEntry:
    return RangeEntry(low=found.low, high=found.high, best=found.best)


def describe_task(
    outline: Outline,
    staged: StagedTask,
    programs: Mapping[str, list[ProgramEntry]],
    registry: Registry,
    files: Files,
    host: HostInputs,
) -> Task:
    """The manifest's entry; `programs` holds those of every stage by its name, `host` is that of the live task."""
    plan, free, precision = outline.plan, outline.free, outline.precision
    order: list[StageEntry | GenerateEntry | HostCallEntry | ReadEntry] = []
    # Where values of one sample are counted by another value, rows cannot be told apart.
    is_tied = any(plan.type_of(slot).kind == COUNTS for slot in range(len(plan.slots)))
    for part in (*staged.order, *staged.host):
        if isinstance(part, str):
            spec = staged.specs[part]
            order.append(stage_entry(spec, programs[part], None if is_tied else samples_in(spec)))
        elif part.node.generates:
            order.append(_generate(part, staged, programs, registry, files))
        elif isinstance(part.node.callee, Read):
            order.append(_read(outline, part, part.node.callee, registry, files))
        else:
            order.append(_host_call(plan, part, staged, registry))
    outputs = {name: _output(plan, slot, staged, registry) for name, slot in plan.outputs.items()}
    given = _given(plan, staged)
    inputs = {}
    for name, item in plan.inputs.items():
        ports = {port: str(found.type) for port, found in host.inputs[name].ports.items()}
        found = _input(item.modality.id, item.config, ports, registry, files)
        span_ = None if item.several is None else (item.several.least, item.several.most)
        inputs[name] = found.model_copy(update={"several": span_, "default": item.default})
    return Task(
        summary=plan.task.summary,
        precision=precision.default,
        precisions={
            step.name: precision.of(step) for step in plan.steps if precision.of(step) != precision.default
        },
        inputs=inputs,
        limits=host.limits,
        given=[_tensor(spec) for spec in given],
        ranges={name: span(found) for name, found in free.ranges.items()},
        order=order,
        outputs=outputs,
        evaluation=_evaluation(plan.task, registry),
    )


def _evaluation(task: CheckedTask, registry: Registry) -> EvaluationEntry | None:
    """What the document says of scores, so that an artifact is scored as its live model is."""
    from composer.graph.evaluations import plain_evaluation

    found = plain_evaluation(task, registry)
    metrics = {
        name: MetricEntry(uses=each.metric.id, config=config_fields(each.config, each.metric.title))
        for name, each in found.metrics.items()
    }
    if not (found.outputs or found.reference or metrics):
        return None
    return EvaluationEntry(
        outputs=list(found.outputs), reference=found.reference, metrics=metrics, classes=list(found.classes)
    )


def _host_call(plan: Plan, step: Step, staged: StagedTask, registry: Registry) -> HostCallEntry:
    def source(slot: int) -> str | list[str]:
        """The name of a value, or the names of the parts of a record that programs make."""
        name, kind = ".".join(plan.slots[slot]), registry.kinds[plan.type_of(slot).kind]
        if kind.record is None or plan.slots[slot][0] in plan.task.on_host:
            return name
        structure = staged.structures[slot]
        return [f"{name}.{f}" for f, part in zip(kind.fields, structure, strict=True) if part is not None]

    def sources(port: str, slots: Sequence[int]) -> list[str]:
        found = [source(slot) for slot in slots]
        if not all(isinstance(each, str) for each in found):
            raise CompileError(
                f"node `{step.name}` works on the host and takes a list of records for `{port}`, which no artifact can "
                "give it"
            )
        return [str(each) for each in found]

    return HostCallEntry(
        node=step.name,
        uses=step.node.module.type.id,
        config=config_fields(step.node.module.config, step.node.module.type.title),
        sources={
            port: source(slot) if isinstance(slot, int) else sources(port, slot)
            for port, slot in step.sources.items()
        },
        ports={port: ".".join(plan.slots[slot]) for port, slot in step.targets.items()},
    )


def _read(outline: Outline, step: Step, callee: Read, registry: Registry, files: Files) -> ReadEntry:
    plan, free = outline.plan, outline.free
    types = {port: plan.type_of(slot) for port, slot in step.targets.items()}
    names = written_symbols({step.name: types})
    ports = {
        port: str(found.with_dims(tuple(dim.renamed(names.__getitem__) for dim in found.dims)))
        for port, found in types.items()
    }
    arising = {symbol: free.made[symbol] for symbol in names if symbol in free.made}
    return ReadEntry(
        node=step.name,
        read=_input(callee.modality.id, callee.module.config, ports, registry, files),
        sources={
            port: ".".join(plan.slots[slot]) for port, slot in step.sources.items() if isinstance(slot, int)
        },
        sizes={names[symbol]: name for symbol, name in arising.items()},
        ranges={name: span(free.arising[name]) for name in dict.fromkeys(arising.values())},
        limits={names[s]: bounds for s, bounds in plan.task.ranges.items() if s in names},
    )


def stage_entry(spec: ProgramSpec, programs: list[ProgramEntry], samples: str | None = None) -> StageEntry:
    return StageEntry(
        name=spec.name,
        nodes=list(spec.nodes),
        inputs=[_tensor(each) for each in spec.inputs],
        outputs=[_tensor(each) for each in spec.outputs],
        samples=samples,
        programs=programs,
    )


def _tensor(spec: TensorSpec) -> Tensor:
    dims = [write_form(dim) for dim in spec.dims]
    return Tensor(name=spec.name, dtype=spec.dtype, dims=dims, role=spec.role, masked_by=spec.masked_by)


def _given(plan: Plan, staged: StagedTask) -> list[TensorSpec]:
    """What the programs and the nodes on the host take of the raw inputs, in the order of the inputs."""
    specs = [spec for stage in staged.specs.values() for spec in stage.inputs]
    found = {
        spec.name: spec for spec in (*specs, *staged.texts) if spec.name.partition(".")[0] in plan.inputs
    }
    order = list(plan.inputs)
    return sorted(found.values(), key=lambda spec: order.index(spec.name.partition(".")[0]))


def _output(plan: Plan, slot: int, staged: StagedTask, registry: Registry) -> Output:
    type_ = plan.type_of(slot)
    name = ".".join(plan.slots[slot])
    kind = registry.kinds[type_.kind]
    sizes = [dim.at({}) if dim.is_number else None for dim in type_.dims]
    if kind.record is None:
        return Output(kind=type_.kind, values=[name], sizes=sizes)
    structure = staged.structures[slot]
    values = [
        None if part is None else f"{name}.{field}"
        for field, part in zip(kind.fields, structure, strict=True)
    ]
    return Output(kind=type_.kind, values=values, sizes=sizes)


def _input(modality: str, config: Config, ports: dict[str, str], registry: Registry, files: Files) -> Input:
    declared = registry.modalities[modality]
    needed = files_of(declared, config)
    written = config_fields(config, declared.title, needed)
    named = {field: files.add(path) for field, path in needed.items()}
    return Input(modality=modality, config=written, files=named, ports=ports)


def _generate(
    step: Step,
    staged: StagedTask,
    programs: Mapping[str, list[ProgramEntry]],
    registry: Registry,
    files: Files,
) -> GenerateEntry:
    decoding = step.node.decoding
    name = decode_name(step.name)
    spec = staged.specs[name]
    what = f"`vocabulary` of {step.node.module.type.title}"
    vocabulary = ask(decoding.generation.vocabulary, step.node.module.config, what=what, accept=as_vocabulary)
    modality = registry.modalities[vocabulary.modality]
    text = ask(
        modality.config.model_validate, dict(vocabulary.config), what=f"the config of {modality.title}"
    )
    options, search = decoding.options, decoding.search
    framing = framing_of(vocabulary, min_tokens=options.min_tokens, max_tokens=options.max_tokens)
    return GenerateEntry(
        node=step.name,
        decode=stage_entry(spec, programs[name]),
        batch=spec.inputs[0].dims[0].symbols[0],
        first=first_name(step.name) if prefills(step) else None,
        policy=search.policy.id,
        config=config_fields(search.config, search.policy.title),
        beams=search.beams,
        streams=search.streams,
        framing=Frame(
            start=framing.start,
            ends=list(framing.ends),
            pad=framing.pad,
            min_tokens=framing.min_tokens,
            max_tokens=framing.max_tokens,
        ),
        text=_input(vocabulary.modality, text, {}, registry, files),
        ports={port: f"{step.name}.{port}" for port in step.targets},
    )
