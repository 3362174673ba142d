"""A loaded artifact: verified, with its weights mapped once, ready to answer any of its tasks."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from composer.execution import NotCopiedError, TaskPorts, TextStream, device_of, only_one
from composer.execution.processors import Processors
from composer.execution.task_reader import TaskReader
from composer.plan import pieces_inside
from composer.plugin import Registry, load_registry
from composer.plugin.asking import PluginError, import_object
from composer.plugin.declarations import config_of_json
from composer.problems import InputError
from composer.problems.suggest import unknown
from composer.types import parse_port_type
from composer_compile.artifact.container import Container, open_container
from composer_compile.artifact.manifest import Manifest, ProgramEntry, Provider, Task
from composer_compile.artifact.operations import is_registered
from composer_compile.artifact.requirements import lacking, missing_text
from composer_compile.artifact.weight_store import WEIGHTS, StoredWeights
from composer_compile.backends.contract import ChecksStored, LoadedProgram, Loader
from composer_compile.backends.registered import loader_of
from composer_compile.errors import ArtifactError
from composer_compile.runtime.loaded_task import LoadedTask

if TYPE_CHECKING:
    from composer.graph import CheckedEvaluation
    from composer_compile.runtime.artifact_session import ArtifactSession

__all__ = ["SAMPLES", "Artifact", "load"]

SAMPLES = "samples.safetensors"


def load(
    path: str | Path, *, device: str | torch.device = "cpu", registry: Registry | None = None
) -> Artifact:
    """Load an artifact. What it was made for is checked first, then every file, and only then is anything used.

    Where plugins are missing, the tasks that have all they need run; `Artifact.lacking` says why the others cannot.

    Raises:
        ArtifactError: it is damaged, incomplete or foreign, made for another machine or another version, or each of
            its tasks needs a plugin that is missing.
        BackendError: its backend is not installed. InputError: the device is not there.
    """
    container = open_container(path)
    with container.verifying() as verified:
        registry = registry if registry is not None else load_registry()
        found = lacking_of(container.manifest, registry)
        if len(found) == len(container.manifest.tasks):
            every = lacking(container.manifest, container.manifest.tasks.values(), registry)
            raise ArtifactError(f"{path} needs {every}")
        target = device_of(device)
        loader = loader_of(registry, container.manifest.backend.id)
        loader.check_installed()
        reason = loader.mismatch(container.manifest.backend.made_with, target)
        if reason is not None:
            raise ArtifactError(f"{path} cannot run here: {reason}; rebuild it with `{container.rebuild}`")
        verified()
    found |= {
        name: what
        for name, task in container.manifest.tasks.items()
        if name not in found and (what := lacking_operation(container.manifest, task, registry)) is not None
    }
    if len(found) == len(container.manifest.tasks):
        raise ArtifactError(f"{path} needs {'; and '.join(dict.fromkeys(found.values()))}")
    return Artifact(container=container, loader=loader, registry=registry, device=target, lacking=found)


def lacking_of(manifest: Manifest, registry: Registry) -> dict[str, str]:
    """What every task needs and no loaded plugin offers; a task that has all it needs is not in it."""
    found = {name: lacking(manifest, [task], registry) for name, task in manifest.tasks.items()}
    return {name: what for name, what in found.items() if what is not None}


def lacking_operation(manifest: Manifest, task: Task, registry: Registry) -> str | None:
    """Let the code of installed plugins register the operations that a task calls; the first that none registers."""
    called = {name for program in task.programs for name in program.operations}
    for operation in sorted(called):
        entry = manifest.operations[operation]
        for identity in entry.module_types:
            if not is_registered(operation) and identity in registry.module_types:
                with contextlib.suppress(PluginError):  # the other types may bring it
                    import_object(registry.module_types[identity].builder, f"module type {identity}")
        if not is_registered(operation):
            found = next(iter(entry.module_types.values()), Provider(plugin="", package=""))
            return missing_text(f"the operation {operation}", found, registry)
    return None


def _dim(item: tuple[int, int | None]) -> str:
    """A dimension by its place and its size; one that is free has a name."""
    place, size = item
    return f"d{place}" if size is None else str(size)


class Artifact:
    """Answers the tasks of an artifact. Thread-safe; several tasks run side by side on one set of weights.

    `run("video-qa", video="clip.mp4", question="...")` gives one value per output; lists of values are a batch.
    """

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise NotCopiedError(
            f"a loaded artifact cannot be pickled or copied: load {self._container.path} again where it is needed"
        )

    def __init__(
        self,
        *,
        container: Container,
        loader: Loader,
        registry: Registry,
        device: torch.device,
        lacking: Mapping[str, str] | None = None,
    ) -> None:
        self.device = device
        self.lacking = dict(lacking or {})
        """Tasks that cannot run here, with what they need and no installed plugin offers."""
        self._container = container
        self._loader = loader
        self._registry = registry
        self._weights = (
            StoredWeights(container.read(WEIGHTS), device, str(container.path))
            if WEIGHTS in container.manifest.files
            else None
        )
        self._programs: dict[tuple[str | None, ...], LoadedProgram] = {}
        self._tasks: dict[str, LoadedTask] = {}
        self._processors = Processors()
        self._lock = threading.RLock()
        self._closed = False

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._container.path

    @property
    def rebuild(self) -> str:
        """The command that makes it again there."""
        return self._container.rebuild

    @property
    def manifest(self) -> Manifest:
        return self._container.manifest

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(self.manifest.tasks)

    def only_task(self) -> str:
        """The task, where there is only one; raises InputError listing them otherwise."""
        return only_one(self.tasks, "this artifact")

    def _known(self, task: str | None) -> str:
        name = self.only_task() if task is None else task
        if name not in self.manifest.tasks:
            raise unknown("task", name, self.tasks)
        return name

    def ports(self, task: str | None = None, /) -> TaskPorts:
        """What a task takes and gives, one that cannot run here too. Raises InputError where there is no such task."""
        entry = self.manifest.tasks[self._known(task)]
        return TaskPorts(
            {name: item.modality for name, item in entry.inputs.items()},
            {name: item.kind for name, item in entry.outputs.items()},
            {
                name: parse_port_type(f"{item.kind}[{', '.join(map(_dim, enumerate(item.sizes)))}]")
                for name, item in entry.outputs.items()
                if item.sizes is not None
            },
        )

    def evaluation(self, task: str, /) -> CheckedEvaluation:
        """How the document that it was made of scores a task; perhaps nothing. A metric that is not installed here is
        left out.
        """
        from composer.graph import CheckedEvaluation, CheckedMetric

        entry = self.manifest.tasks[self._known(task)].evaluation
        if entry is None:
            return CheckedEvaluation((), None, {})
        metrics = {}
        for name, each in entry.metrics.items():
            metric = self._registry.metrics.get(each.uses)
            if metric is not None:
                config = config_of_json(metric.config, json.dumps(each.config))
                metrics[name] = CheckedMetric(name, metric, config)
        return CheckedEvaluation(tuple(entry.outputs), entry.reference, metrics, tuple(entry.classes))

    @torch.inference_mode()
    def run(self, task: str | None = None, /, *, seed: Any = None, **raw: Any) -> dict[str, Any]:
        """Answer; `seed` is that of `composer.Model.run`.

        Raises InputError for inputs that are missing, unexpected, unusable or outside the ranges, and for a seed that
        nothing depends on.
        """
        return self.task(task).run(raw, seed)

    @torch.inference_mode()
    def session(self, task: str | None = None, /, *, seed: Any = None, **kept: Any) -> ArtifactSession:
        """Take some inputs of a task once, to ask for answers with the others: `session.ask(question="...")`.

        Programs that take these inputs alone run now, and never again; `compile_document(..., Options(session=...))`
        cuts programs so. Raises InputError for inputs that are unexpected or unusable.
        """
        from composer_compile.runtime.artifact_session import ArtifactSession

        return ArtifactSession(self.task(task), kept, seed)

    def stream(self, task: str | None = None, /, *, seed: Any = None, **raw: Any) -> TextStream:
        """The last text of one sample as it is generated.

        Raises InputError, before anything runs, where no single search is the last one, or that cannot stream.
        """
        with torch.inference_mode():
            pieces = self.task(task).stream(raw, seed)
        # Inference mode must not stay on in the caller's code, which runs between two pieces.
        stream = TextStream(lambda _: pieces_inside(pieces, torch.inference_mode))
        stream.earlier = pieces.earlier
        return stream

    def warm_up(self, *tasks: str) -> None:
        """Load the programs of tasks (all that can run here, where none is named) now rather than when asked first."""
        for name in tasks or [name for name in self.tasks if name not in self.lacking]:
            self.task(name).warm_up()

    def check_programs(self) -> None:
        """Raise ArtifactError where a program's file holds forms of it that are not the same program."""
        tasks = [task for name, task in self.manifest.tasks.items() if name not in self.lacking]
        programs = {program.file for task in tasks for program in task.programs}
        if isinstance(self._loader, ChecksStored):
            for name in sorted(programs):
                self._loader.check_stored(self._container.read(name))

    def samples(self) -> dict[str, torch.Tensor]:
        """The recorded inputs and results of `composer verify`."""
        self._check_open()
        content = self._container.read(SAMPLES)
        stored = StoredWeights(content, torch.device("cpu"), str(self._container.path))
        return {key: stored[key] for key in stored.keys()}  # noqa: SIM118 (not a mapping)

    def reader(self, task: str | None = None, /) -> TaskReader:
        """What reads the values of a task apart from answering: the next batch is read while one is answered."""
        return self.task(task).reader()

    def fingerprint(self, task: str | None = None, /) -> str:
        """A digest of the artifact's manifest, which names every file by its hash, and of the task."""
        told = f"{self._known(task)}\0{self.manifest.model_dump_json()}"
        return hashlib.sha256(told.encode()).hexdigest()

    def close(self) -> None:
        """Give back files and memory; the artifact cannot be used afterwards."""
        with self._lock:
            self._closed = True
            self._tasks.clear()
            self._programs.clear()
            self._processors = Processors()
            self._weights = None
            self._container.close()

    def __enter__(self) -> Artifact:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def task(self, name: str | None = None) -> LoadedTask:
        """The bound task; its programs are loaded on first use.

        Raises:
            InputError: there is no such task, or the artifact was closed. ArtifactError: it needs a missing plugin.
        """
        name = self._known(name)
        if name in self.lacking:
            raise ArtifactError(f"task `{name}` of {self.path} needs {self.lacking[name]}")
        with self._lock:
            self._check_open()
            if name not in self._tasks:
                self._tasks[name] = LoadedTask(
                    name,
                    self.manifest.tasks[name],
                    load=self._load,
                    registry=self._registry,
                    container=self._container,
                    device=self.device,
                    shared=self._processors,
                    captures=self._captures,
                    captures_stages=self._captures and not self._loader.captures_itself,
                )
            return self._tasks[name]

    @property
    def _captures(self) -> bool:
        return self.device.type == "cuda" and self._loader.capturable

    def _check_open(self) -> None:
        if self._closed:
            raise InputError(f"the artifact {self.path} was closed: load it again")

    def _load(self, program: ProgramEntry) -> LoadedProgram:
        """A program, loaded once however many tasks use it."""
        key = (program.file, *program.weights)
        loaded = self._programs.get(key)
        if loaded is not None:
            return loaded
        with self._lock:
            self._check_open()
            if key not in self._programs:
                stored = self._weights
                weights = [
                    None if each is None or stored is None else stored[each] for each in program.weights
                ]
                self._programs[key] = self._loader.load(
                    lambda: self._container.unpacked(program.file),
                    self._container.read(program.file),
                    weights,
                    self.device,
                )
            return self._programs[key]
