"""Building in a process of its own: the library's builder can end the process that it runs in, and it changes torch.

One process builds all programs of a command, because it takes seconds until it can begin. It gets jobs through its
standard input and answers each with one line; a stage comes to it as the file of an exported program, and a program
goes back as files of the form that the build cache has. It ends when its input does, and so with the command.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import traceback
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from composer.problems.endings import ending_of
from composer_compile.artifact.operations import unknown_operation
from composer_compile.artifact.weights import WeightStore
from composer_compile.backends.tensorrt.build_cache import BuildCache
from composer_compile.backends.tensorrt.engine_build import BuildRecipe, build
from composer_compile.backends.tensorrt.engine_graph import read_graph
from composer_compile.backends.tensorrt.program_file import Packed, pack
from composer_compile.backends.tensorrt.segments import owners_of
from composer_compile.errors import BackendError, CompileError
from composer_compile.scratch import Scratch
from composer_compile.tensors.specs import ProgramSpec
from composer_compile.tensors.variants import Variant

__all__ = ["BuilderProcess", "serve"]

SERVE = "from composer_compile.backends.tensorrt.builder_process import serve; serve()"
STAGE, PROGRAM = "stage.pt2", "program"
NOTICE = re.compile(r"WARNING|[DIVW]\d{4} \d\d:")
"""How lines begin that the library and torch log below an error."""


@dataclass(frozen=True)
class Job:
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
    defined_in: tuple[str, ...]
    """The Python modules that define the stage's classes; a plugin may register operations of torch in them."""


class BuilderProcess:
    """The other process as its user sees it: started when it is first needed, and again after it was ended."""

    def __init__(self) -> None:
        self._running: _Running | None = None

    def start(self) -> _Running:
        """Start the process, unless it runs, so that it is ready when something is to be built."""
        if self._running is None:
            self._running = _Running()
            weakref.finalize(self, self._running.close)
        return self._running

    def build(
        self,
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
    ) -> tuple[bytes, Packed, dict[str, Tensor]]:
        """A program file, read, and the weights that its torch side reads, by key; without the shared ones.

        Raises:
            CompileError: the library fails or ends the process, or something falls back that must not.
            BackendError: the library cannot be used.
        """
        bare = replace(spec, module=nn.Identity(), identity=None, computation=None)
        with Scratch("tensorrt") as folder:
            torch.export.save(exported, folder / STAGE)
            job = Job(
                folder=folder,
                spec=bare,
                variant=variant,
                recipe=recipe,
                device=device,
                owners=owners_of(exported, spec),
                made_with=made_with,
                targets=targets,
                graphs=graphs,
                shared=shared,
                defined_in=_defined_in(spec.module),
            )
            self._ask(job)
            found = BuildCache(folder).get(PROGRAM)
        if found is None:
            raise CompileError(
                f"stage {spec.name} cannot be built: its program came damaged out of the builder"
            )
        return found

    def _ask(self, job: Job) -> None:
        running = self.start()
        try:
            answer = running.ask(job)
        except BaseException:  # an interrupted command waits for no engine
            running.kill()
            raise
        finally:
            if running.ended:
                self._running = None
        if answer is None:
            raise CompileError(
                f"stage {job.spec.name} cannot be built: Torch-TensorRT ended the process that builds "
                f"({running.ending()})"
            )
        for kind, message in answer.items():
            raise BackendError(message) if kind == BackendError.__name__ else CompileError(message)


class _Running:
    def __init__(self) -> None:
        self.printed = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self.process = subprocess.Popen(
            # Nobody reads warnings there; the last line that is printed tells how the process ended.
            [sys.executable, "-W", "ignore", "-c", SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.printed,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.ended = False

    def ask(self, job: Job) -> dict[str, str] | None:
        """The answer to a job; None where the process ended over it."""
        requests, answers = self.process.stdin, self.process.stdout
        assert requests is not None
        assert answers is not None
        try:
            pickle.dump(job, requests)
            requests.flush()
            line = answers.readline()
        except BrokenPipeError:
            line = b""
        self.ended = not line
        found: dict[str, str] | None = json.loads(line) if line else None
        return found

    def ending(self) -> str:
        """How the process ended, with the last that was printed in it."""
        how = ending_of(self.process.wait())
        self.printed.seek(0)
        lines = self.printed.read().decode(errors="replace").splitlines()
        said = [line.strip() for line in lines if line.strip() and not NOTICE.match(line)]
        return f"{how}: {said[-1]}" if said else how

    def kill(self) -> None:
        self.ended = True
        self.process.kill()

    def close(self) -> None:
        """Let the process end."""
        for stream in (self.process.stdin, self.process.stdout, self.printed):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):  # what an ended process was not given any more
                stream.close()
        self.process.wait()


def _defined_in(module: nn.Module) -> tuple[str, ...]:
    names = {type(each).__module__ for each in module.modules()}
    return tuple(
        sorted(name for name in names if name.partition(".")[0] not in ("torch", "composer_compile"))
    )


def serve() -> None:
    """What the process does: build until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the library prints is not an answer
    while True:
        try:
            job: Job = pickle.load(sys.stdin.buffer)
        except EOFError:
            os._exit(0)  # the library has ended processes while they end
        print(json.dumps(_answer(job)), file=answers, flush=True)


def _answer(job: Job) -> dict[str, str]:
    """Nothing, or the name of an error's class and its message."""
    try:
        _build(job)
    except (BackendError, CompileError) as error:
        return {type(error).__name__: str(error)}
    except Exception as error:  # what the library gives may be read wrongly
        traceback.print_exc()
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return {CompileError.__name__: f"stage {job.spec.name} cannot be built by Torch-TensorRT ({reason})"}
    return {}


def _build(job: Job) -> None:
    exported = _exported(job)
    graph, left = build(exported, job.spec, job.variant, job.recipe, job.device, job.owners)
    store = WeightStore({})
    packed = read_graph(
        graph,
        job.spec,
        job.variant,
        store,
        made_with=job.made_with,
        targets=job.targets,
        left=left,
        graphs=job.graphs,
        shared=job.shared,
    )
    own = [key for key in packed.program.weights if key not in job.shared]
    weights: dict[str, Any] = {key: store.tensor(key) for key in own}
    BuildCache(job.folder).put(PROGRAM, pack(packed), weights)


def _exported(job: Job) -> ExportedProgram:
    """The stage, with the operations that its plugins register. Raises CompileError where one is not to be had."""
    for name in job.defined_in:
        try:
            importlib.import_module(name)
        except Exception as error:  # a plugin's code may do anything
            raise CompileError(
                f"stage {job.spec.name} cannot be built: {name}, which defines some of its modules, cannot be imported "
                f"in the process that builds ({error})"
            ) from error
    unknown = unknown_operation(job.folder / STAGE)
    if unknown is not None:
        raise CompileError(
            f"stage {job.spec.name} cannot be built: nothing registers the operation {unknown} in the process that "
            f"builds, which imported {', '.join(job.defined_in)}: let one of them import what registers it"
        )
    return torch.export.load(job.folder / STAGE)
