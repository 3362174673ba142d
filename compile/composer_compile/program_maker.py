"""The programs of all stages of an artifact: each built once, several at once where the backend builds beside."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from composer.graph import Checked
from composer.plugin import Registry
from composer_compile.artifact.manifest import ProgramEntry, Provider
from composer_compile.artifact.requirements import provider_of
from composer_compile.artifact.weight_store import WeightStore
from composer_compile.backends.contract import Builder, BuildsBeside, Compiled, JoinsSizes
from composer_compile.backends.registered import builds_beside
from composer_compile.errors import CompileError, SpecialSizeError
from composer_compile.options import BuildOptions
from composer_compile.stages.joining import Joined, join_stages
from composer_compile.stages.manifest_entries import span
from composer_compile.tensors.specs import ProgramSpec
from composer_compile.tensors.variants import Variant, each_variant, variants_of

__all__ = ["ProgramMaker"]


@dataclass
class ProgramMaker:
    """Builds programs into a folder. `begin` gets all stages first, and `programs` is then asked for each of them."""

    builder: Builder
    options: BuildOptions
    store: WeightStore
    folder: Path
    progress: Callable[[str], None]
    report: Checked
    registry: Registry
    operations: dict[str, dict[str, Provider]] = field(default_factory=dict)
    """Operations that plugins register → the module types in whose programs they were found."""
    joined: dict[int, Joined] = field(default_factory=dict)
    """Stages (by identity) → those that they can be one program with."""
    whole: dict[int, ProgramEntry | None] = field(default_factory=dict)
    """The programs of such groups; None where the backend does not make one."""
    begun: dict[object, Callable[[], Compiled]] = field(default_factory=dict)
    """Programs that are being built, by their key."""
    made: dict[object, ProgramEntry] = field(default_factory=dict)

    def begin(self, tasks: Mapping[str, Mapping[str, ProgramSpec]]) -> None:
        """Note which stages can be one program, and have those built that other processes build, several at once."""
        stages = [(task, spec) for task, specs in tasks.items() for spec in specs.values()]
        self._join(spec for _, spec in stages)
        builder = builds_beside(self.builder)
        if builder is None:
            return
        for task, spec in stages:
            if id(spec) not in self.joined:
                with contextlib.suppress(SpecialSizeError):  # told again where the programs are taken
                    each_variant(spec, partial(self._begin_one, builder, task, spec))

    def programs(self, task: str, spec: ProgramSpec) -> list[ProgramEntry]:
        """The programs of a stage, one for each of its variants.

        Raises:
            CompileError: one of them cannot be built.
        """
        group = self.joined.get(id(spec))
        if group is not None and (one := self._one_program(task, spec, group)) is not None:
            return [one.model_copy(update=_sizes(variant)) for variant in variants_of(spec.ranges)]
        return each_variant(spec, lambda variant: self._program(task, spec, variant))

    def _join(self, stages: Iterable[ProgramSpec]) -> None:
        if not isinstance(self.builder, JoinsSizes) or not self.builder.joins_sizes(self.options):
            return
        for group in join_stages(stages):
            self.joined.update({id(spec): group for spec in group.members})

    def _begin_one(self, builder: BuildsBeside, task: str, spec: ProgramSpec, variant: Variant) -> None:
        key = _key(spec, variant)
        if key in self.begun:
            return
        self.progress(f"{task}: {spec.name} ({variant.label})")
        try:
            self.begun[key] = builder.begin(spec, variant, self.store, self.options)
        except SpecialSizeError as error:
            self.begun[key] = partial(_raise, error)
            raise

    def _one_program(self, task: str, spec: ProgramSpec, group: Joined) -> ProgramEntry | None:
        """The program of a whole group; None where the backend cannot make one without leaving some of it to torch."""
        key = id(group)
        if key not in self.whole:
            self.whole[key] = None
            reason = group.reason
            if group.spec is not None:
                one = replace(group.spec, name=spec.name, nodes=spec.nodes)
                variants = variants_of(one.ranges, quotients=one.quotients)
                reason = f"{len(variants)} would be needed"
                if len(variants) == 1:
                    options = replace(self.options, require_full=True)
                    try:
                        self.whole[key] = self._built(task, one, variants[0], options)
                    except CompileError as error:
                        reason = str(error)
            if self.whole[key] is None:
                self.progress(f"{task}: {spec.name}: not one program for all sizes: {reason}")
        return self.whole[key]

    def _program(self, task: str, spec: ProgramSpec, variant: Variant) -> ProgramEntry:
        key = _key(spec, variant)
        if key not in self.made:
            self.made[key] = self._built(task, spec, variant, self.options)
        return self.made[key]

    def _built(self, task: str, spec: ProgramSpec, variant: Variant, options: BuildOptions) -> ProgramEntry:
        compiled = self._compiled(task, spec, variant, options)
        for note in compiled.notes:
            self.progress(f"{task}: {spec.name} ({variant.label}): {note}")
        self._note_operations(task, spec, compiled.operations)
        digest = hashlib.sha256(compiled.content).hexdigest()[:16]
        name = f"programs/{digest}{compiled.suffix}"
        (self.folder / "programs").mkdir(exist_ok=True)
        (self.folder / name).write_bytes(compiled.content)
        return ProgramEntry(
            file=name,
            **_sizes(variant),
            weights=list(compiled.weights),
            operations=list(compiled.operations),
        )

    def _compiled(self, task: str, spec: ProgramSpec, variant: Variant, options: BuildOptions) -> Compiled:
        """The program of a variant, which may have been begun."""
        wait = self.begun.pop(_key(spec, variant), None)
        if wait is not None:
            return wait()
        self.progress(f"{task}: {spec.name} ({variant.label})")
        return self.builder.compile(spec, variant, self.store, options)

    def _note_operations(self, task: str, spec: ProgramSpec, operations: Iterable[str]) -> None:
        nodes = self.report.tasks[task].nodes
        types = dict.fromkeys(nodes[name].module.type.id for name in spec.nodes if name in nodes)
        for operation in operations:
            noted = self.operations.setdefault(operation, {})
            noted.update({each: provider_of(self.registry, "module_types", each) for each in types})


def _key(spec: ProgramSpec, variant: Variant) -> object:
    """Equal for programs that are the same."""
    return (
        spec.identity,
        tuple((each.dtype, each.dims) for each in spec.inputs),
        tuple(variant.fixed.items()),
        tuple(variant.ranges.items()),
    )


def _raise(error: SpecialSizeError) -> Compiled:
    raise error


def _sizes(variant: Variant) -> dict[str, Any]:
    """What a program's entry says of the sizes that it is for."""
    ranges = {name: span(found) for name, found in variant.ranges.items()}
    return {"fixed": dict(variant.fixed), "ranges": ranges}
