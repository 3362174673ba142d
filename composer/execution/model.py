"""Models: a document with its weights loaded once, ready to answer any of its tasks."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import nn

from composer.execution.answering import TaskPorts, only_one
from composer.execution.averages import begin_averages, uncalled, with_followed
from composer.execution.filling import empty_module, published_parameters
from composer.execution.fingerprint import fingerprint_of
from composer.execution.forked import one_thread_in_forks
from composer.execution.fusing import Fusing, fusing_in
from composer.execution.generation import check_one_sample
from composer.execution.linear import use_fastest_linears
from composer.execution.parts import Parts, build_parts
from composer.execution.processors import Processors
from composer.execution.program import Program, build_module, build_program, module_names
from composer.execution.row_sharing import RowSharing, SharedBatch, sharing_of
from composer.execution.runner import Runner
from composer.execution.session import Session
from composer.execution.slot_values import TaskValues
from composer.execution.spelt_words import hold_words
from composer.execution.start import Start, chosen_layout
from composer.execution.task_reader import TaskReader
from composer.execution.text_stream import TextStream
from composer.graph import Checked, CheckedEvaluation, CheckedModule, Report, check
from composer.language import Source
from composer.plan import Plan, plan_objective, plan_task
from composer.plugin import Registry, load_registry
from composer.plugin.implementations import decoder_of
from composer.problems import InputError
from composer.problems.suggest import unknown
from composer.sources import INITIAL, GivenNames, GivenWeights
from composer.sources.given import for_the_whole
from composer.sources.held_lock import held_lock
from composer.weights import LoadReport

__all__ = ["INITIAL", "Model", "NotCopiedError", "build_for_training", "device_of", "load"]


_LONGEST_REASON = 160


class NotCopiedError(InputError, TypeError):
    """Something that holds mapped weights and locks was to be pickled or copied; a TypeError, as pickle raises."""


class Model:
    """A loaded document. Thread-safe: running changes nothing but the inputs' own tensors.

    `run("video-qa", video="clip.mp4", question="...")` answers with one value per output; lists of values are a batch.
    """

    def __init__(
        self,
        *,
        report: Checked,
        modules: Mapping[str, nn.Module],
        tasks: Iterable[str],
        device: torch.device,
        loading: LoadReport | None = None,
        fusing: Fusing | None = None,
        weights: Mapping[str, nn.Module] | None = None,
    ) -> None:
        self.report = report
        self.modules = dict(modules)
        """What runs the nodes: modules by name, and modules with an adapter as `text+qa`."""
        self.weights = dict(modules if weights is None else weights)
        """What has weights of its own, by name, to be written: modules, and adapters as `text+qa`."""
        self.device = device
        self.dtype = next((p.dtype for m in modules.values() for p in m.parameters()), torch.float32)
        self.loading = loading
        self.fusing = fusing
        """What was fused, of a model that was loaded with `fuse`."""
        self.tasks = tuple(tasks)
        self._processors = Processors()
        self._runners: dict[str, Runner] = {}
        self._lock = threading.Lock()
        self._closed = False
        one_thread_in_forks()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise NotCopiedError(
            "a loaded model cannot be pickled or copied: load it again where it is needed with composer.load(...), "
            "which maps the same weights, or write them with composer.weights.save_weights(model.weights, path)"
        )

    def runner(self, task: str | None = None) -> Runner:
        """The bound task; made on first use. Raises InputError where there is no such task, or the model was closed."""
        name = self._known(task)
        with self._lock:
            self._check_open()
            if name not in self._runners:
                self._runners[name] = self._made(name)
            return self._runners[name]

    def _check_open(self) -> None:
        if self._closed:
            raise InputError(f"the model of {self.report.name} was closed: load it again")

    def _made(self, name: str) -> Runner:
        runner = Runner(
            task=self.report.tasks[name],
            modules=self.modules,
            registry=self.report.registry,
            shared=self._processors,
            fusing=self.fusing,
            check_open=self._check_open,
        )
        runner.program.prepare.to(self.device, self.dtype)
        runner.program.in_place.to(self.device, self.dtype)
        use_fastest_linears(runner.program.in_place)
        return runner

    def evaluation(self, task: str, /) -> CheckedEvaluation:
        """What the document says of how a task is scored, and what is plain of that; perhaps nothing."""
        from composer.graph.evaluations import plain_evaluation

        return plain_evaluation(self.report.tasks[self._known(task)], self.report.registry)

    def only_task(self) -> str:
        """The task, where there is only one; raises InputError listing them otherwise."""
        return only_one(self.tasks, "this model")

    def _known(self, task: str | None) -> str:
        name = self.only_task() if task is None else task
        if name not in self.tasks:
            raise unknown("task", name, self.tasks)
        return name

    def ports(self, task: str | None = None, /) -> TaskPorts:
        """What a task takes and gives. Raises InputError where there is no such task."""
        plan = plan_task(self.report.tasks[self._known(task)])
        return TaskPorts(
            {name: item.modality.id for name, item in plan.inputs.items()},
            {name: plan.type_of(slot).kind for name, slot in plan.outputs.items()},
            {name: plan.type_of(slot) for name, slot in plan.outputs.items()},
        )

    def reader(self, task: str | None = None, /) -> TaskReader:
        """What reads the values of a task apart from answering: the next batch is read while one is answered."""
        runner = self.runner(task)
        fit = partial(runner.inputs.tensors, device=self.device, dtype=self.dtype)
        sharing = sharing_of(runner, fit)
        return TaskReader(
            runner.inputs.host,
            fit=fit,
            answer=partial(self._answers, runner, sharing),
            outputs=runner.output_facts,
            sizes=runner.inputs.host.batch_limits,
            searches=runner.searches,
            check_seed=lambda seed: runner.drawn(seed, {}),
            sharing=sharing,
        )

    @torch.inference_mode()
    def _answers(
        self, runner: Runner, sharing: RowSharing | None, read: TaskValues | SharedBatch, seed: object
    ) -> dict[str, Any]:
        drawn, _ = runner.drawn(seed, {})
        if isinstance(read, SharedBatch):
            assert sharing is not None
            return runner.answer(sharing.slots(read, drawn), single=False)
        return runner.answer(runner.slots(read, drawn), single=False)

    def fingerprint(self, task: str | None = None, /) -> str:
        """A digest of a task's nodes, options and weights, and of their number format; others have another one."""
        return fingerprint_of(self.runner(task).plan, self.modules, self.dtype, self.report.registry)

    def close(self) -> None:
        """Give back the memory of the weights; the model and its sessions cannot be used afterwards."""
        with self._lock:
            self._closed = True
            self._runners.clear()
            self.modules.clear()
            self.weights.clear()
            self._processors = Processors()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @torch.inference_mode()
    def run(self, task: str | None = None, /, *, seed: object = None, **raw: object) -> dict[str, Any]:
        """Answer. `seed`, a whole number, makes a search that draws its tokens find the same ones again.

        Raises InputError for inputs that are missing, unexpected or unusable, and for a seed that nothing depends on.
        """
        runner = self.runner(task)
        drawn, given = runner.drawn(seed, raw)
        tensors, single = runner.inputs.encode(given, self.device, self.dtype)
        return runner.answer(runner.slots(tensors, drawn), single=single)

    def session(self, task: str | None = None, /, *, seed: object = None, **kept: object) -> Session:
        """Take some inputs of a task once, to ask for answers with the others: `session.ask(question="...")`.

        What depends on these inputs alone runs now, and never again. Raises InputError for inputs that are unexpected
        or unusable.
        """
        return Session(self.runner(task), kept, seed, self.device, self.dtype)

    def stream(self, task: str | None = None, /, *, seed: object = None, **raw: object) -> TextStream:
        """The last text of one sample as it is generated, before the nodes that come after the generation.

        Raises InputError, before anything runs, where no single search is the last one, or that cannot stream.
        """
        runner = self.runner(task)
        generator = runner.last_search()
        drawn, given = runner.drawn(seed, raw)
        tensors, _ = runner.inputs.encode(given, self.device, self.dtype)
        check_one_sample(runner.inputs.host.samples(given))
        return TextStream(lambda earlier: runner.stream(tensors, generator, earlier, drawn))


def load(
    document: str | Path | Source | Report,
    *,
    weights: GivenWeights = None,
    layout: GivenNames = None,
    root: GivenNames = None,
    init: str | Iterable[str] = (),
    config: Mapping[str, object] | None = None,
    settings: Mapping[str, object] | None = None,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype | None = None,
    tasks: Iterable[str] | None = None,
    fuse: str | Path | None = None,
    locked: bool | str | Path = False,
    objectives: bool = False,
    registry: Registry | None = None,
) -> Model:
    """Check a document, build the modules that its tasks need, and load their weights once.

    Args:
        document: path, shipped name, or a report that was made before.
        weights: checkpoint for the whole document (a path, `package:name/file`, `hub:owner/name@revision/file`, or the
            name of a shipped document that has some), or a map from modules to such, with `*` for all others. Left
            out, those that the document names for its modules, and for the others those that ship with the document,
            by whatever path or name it was given, or with one that it extends; `"initial"` keeps random ones.
        layout: id of the layout of that checkpoint; left out, keys are `<module>.<parameter>`. Or a map, as `weights`.
        root: entry of it, or first words of its keys, under which the tensors lie; left out, the usual. Or a map.
        init: modules that start with fresh weights, whatever the checkpoints hold for them.
        config: a published config (parsed JSON), read by the layout into parameters.
        settings: parameter overrides; they win over `config`.
        device: where it runs. dtype: number format of the weights, e.g. `"bfloat16"`.
        tasks: names of the tasks to load; left out, all of them.
        fuse: a folder; the modules of the encode stages are fused by torch.compile, which keeps there what it makes.
            The first answer waits for it (`Model.fusing` tells how long).
        locked: hold versions and weight files against the lock that `composer lock` wrote, or one at this path.
        objectives: load what the objectives of the tasks call as well, to compute their losses.

    Raises:
        DocumentError: with every problem of the document. WeightsError: for a checkpoint that does not fit.
        InputError: for an unknown task, layout, device or dtype, a folder that cannot be made, and what differs from
            the lock.
    """
    registry = registry if registry is not None else load_registry()
    published = (
        {}
        if isinstance(document, Report)
        else published_parameters(registry, chosen_layout(registry, for_the_whole(layout)), config, document)
        if config is not None
        else {}
    )
    parameters = {**published, **(settings or {})}
    found = (
        document if isinstance(document, Report) else check(document, registry=registry, settings=parameters)
    )
    report = found.raise_for_errors()
    names = _task_names(report, tasks)
    target = device_of(device)
    number_format = _dtype(dtype)
    fusing = None if fuse is None else fusing_in(fuse)
    plans = [plan_task(report.tasks[name]) for name in names]
    if objectives:
        plans += [plan_objective(report.tasks[name]) for name in names if report.tasks[name].loss is not None]
    hold_words(report, plans)
    called = module_names(plans)
    needed = with_followed(report, called)  # an average that nothing is held of begins as what it follows
    start = Start.of(
        report,
        registry,
        weights=weights,
        layout=layout,
        root=root,
        init=init,
        needed=needed,
        held=held_lock(locked, document, registry),
    )
    parts = _build(report, plans, needed, empty=not start.is_initial, fresh=start.fresh)
    loading = start.fill(
        parts.weights,
        changed=parameters,
        uncalled=uncalled(report, called),
        dtype=number_format,
        device=target,
    )
    begin_averages(parts.averages, parts.weights, None if loading is None else loading.initialised)
    for module in parts.weights.values():
        module.to(target, number_format).eval()
    modules = parts.to_run(merge=True)
    for module in modules.values():
        use_fastest_linears(module.eval())
    return Model(
        report=report,
        modules=modules,
        tasks=names,
        device=target,
        loading=loading,
        fusing=fusing,
        weights=parts.weights_after(modules),
    )


def _build(
    report: Checked, plans: Iterable[Plan], names: Iterable[str], *, empty: bool, fresh: Iterable[str] = ()
) -> Parts:
    """What the tasks call (`names`), each module once.

    Empty ones stand on the meta device until a checkpoint fills them; `fresh` ones have their initial weights.
    """

    def build(declared: CheckedModule) -> nn.Module:
        on_meta = empty and declared.name not in fresh and declared.average is None
        return empty_module(declared) if on_meta else build_module(declared.type, declared.config)

    parts = build_parts(report, names, build)
    for step in (step for plan in plans for step in plan.steps if step.node.generates):
        node = step.node
        module = parts.weights[node.module.name]
        decoder_of(module, node.decoding.generation.prompt, node.module.type.title)
    return parts


def build_for_training(report: Checked) -> tuple[dict[str, nn.Module], dict[str, Program]]:
    """Modules with initial weights, and the objective's program of every task that has an objective.

    What the document freezes takes no gradient.
    """
    plans = {name: plan_objective(task) for name, task in report.tasks.items() if task.loss is not None}
    names = module_names(list(plans.values()))
    parts = build_parts(report, names, lambda it: build_module(it.type, it.config))
    parts.freeze()
    modules = parts.to_run(merge=False)
    return modules, {name: build_program(plan, modules) for name, plan in plans.items()}


def _task_names(report: Checked, tasks: Iterable[str] | None) -> tuple[str, ...]:
    if tasks is None:
        return tuple(report.tasks)
    names = (tasks,) if isinstance(tasks, str) else tuple(tasks)
    for name in names:
        if name not in report.tasks:
            raise unknown("task", name, report.tasks, report.name)
    return names


def device_of(device: str | torch.device) -> torch.device:
    """The device of that name. Raises InputError where there is no such name, or no such device here."""
    try:
        target = torch.device(device)
    except RuntimeError:
        raise InputError(f"{device!r} is not a device: write cpu, cuda or cuda:1") from None
    if target.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device} is not available here: torch finds no CUDA device; use cpu")
    if target.type == "cuda" and (target.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device {device} is not available here: torch finds {torch.cuda.device_count()} CUDA device(s), counted "
            "from cuda:0"
        )
    try:
        torch.zeros(1, device=target).item()  # the only proof that a device computes (`meta` does not)
    except NotImplementedError:
        raise InputError(
            f"device {device} cannot be used here: this torch computes on no {target.type} device; use cpu"
        ) from None
    except Exception as error:  # which exception, and how long its text, depends on the device
        reason = str(error).partition("\n")[0][:_LONGEST_REASON].rstrip(".")
        raise InputError(f"device {device} cannot be used here: {reason}; use cpu") from None
    return target


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype
    found = getattr(torch, dtype, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise InputError(f"{dtype!r} is not a number format for weights: write float32, bfloat16 or float16")
    return found
