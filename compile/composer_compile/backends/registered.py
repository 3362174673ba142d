"""The builder and the loader of a registered backend, asked as foreign code is: what fails in one is one sentence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from composer.plugin import Backend, Registry
from composer.plugin.answers import as_instance, as_map
from composer.plugin.asking import ask, import_object
from composer.problems.suggest import unknown
from composer_compile.backends.contract import (
    Builder,
    BuildsBeside,
    ChecksStored,
    Compiled,
    HoldsWeights,
    JoinsSizes,
    LoadedProgram,
    Loader,
    Support,
)

if TYPE_CHECKING:
    from composer_compile.artifact.weight_store import WeightStore
    from composer_compile.options import BuildOptions
    from composer_compile.tensors.specs import ProgramSpec
    from composer_compile.tensors.variants import Variant

__all__ = ["AskedBuilder", "AskedLoader", "builder_of", "builds_beside", "loader_of"]


def builder_of(registry: Registry, identity: str) -> Builder:
    """The builder of a registered backend.

    Raises:
        InputError: there is no such backend; those that there are. PluginError: it cannot be made, or is not a builder.
    """
    return AskedBuilder(_registered(registry, identity))


def loader_of(registry: Registry, identity: str) -> Loader:
    """The loader of a registered backend. Raises as `builder_of`."""
    return AskedLoader(_registered(registry, identity))


def _registered(registry: Registry, identity: str) -> Backend:
    if identity not in registry.backends:
        raise unknown("backend", identity, registry.backends)
    return registry.backends[identity]


def _made(reference: str, what: str, attributes: Sequence[str]) -> Any:
    """An object with every attribute of a half of the contract."""

    def read(answer: Any) -> Any:
        missing = [name for name in attributes if not hasattr(answer, name)]
        if missing:
            raise TypeError(f"an object with `{missing[0]}` is expected")
        return answer

    return ask(import_object(reference, what), what=what, accept=read)


class AskedLoader:
    """A loader whose every method is asked."""

    def __init__(self, backend: Backend) -> None:
        self.title = backend.title
        methods = ("check_installed", "mismatch", "load")
        self.made: Loader = _made(backend.loader, f"the loader of {backend.title}", methods)
        self.capturable = bool(getattr(self.made, "capturable", False))
        self.captures_itself = bool(getattr(self.made, "captures_itself", False))

    def check_installed(self) -> None:
        ask(self.made.check_installed, what=f"`check_installed` of {self.title}")

    def mismatch(self, made_with: Mapping[str, str], device: torch.device) -> str | None:
        return ask(
            self.made.mismatch, made_with, device, what=f"`mismatch` of {self.title}", accept=_text_or_none
        )

    def load(
        self,
        file: Callable[[], Path],
        content: memoryview,
        weights: Sequence[Tensor | None],
        device: torch.device,
    ) -> LoadedProgram:
        what = f"`load` of {self.title}"
        # A disk that is full is told by who started the command.
        return ask(
            self.made.load, file, content, weights, device, what=what, accept=_function, passing=(OSError,)
        )

    def check_stored(self, content: memoryview) -> None:
        if isinstance(self.made, ChecksStored):
            ask(self.made.check_stored, content, what=f"`check_stored` of {self.title}")


class AskedBuilder:
    """A builder whose every method is asked."""

    def __init__(self, backend: Backend) -> None:
        self.title = backend.title
        methods = ("per_module", "check_options", "made_with", "compile", "decompositions", "support")
        self.made: Builder = _made(backend.builder, f"the builder of {backend.title}", methods)
        self.per_module = bool(self.made.per_module)

    def check_options(self, options: BuildOptions, device: torch.device | None) -> None:
        ask(self.made.check_options, options, device, what=f"`check_options` of {self.title}")

    def made_with(self, device: torch.device, options: BuildOptions) -> dict[str, str]:
        return ask(
            self.made.made_with, device, options, what=f"`made_with` of {self.title}", accept=_texts_by_name
        )

    def compile(
        self, spec: ProgramSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Compiled:
        return ask(
            partial(self.made.compile, spec, variant, store, options),
            what=f"`compile` of {self.title}",
            accept=as_instance(Compiled, "a Compiled"),
            passing=(OSError,),
        )

    def begin(
        self, spec: ProgramSpec, variant: Variant, store: WeightStore, options: BuildOptions
    ) -> Callable[[], Compiled]:
        """Of a builder that builds in this process, the program is there at once."""
        if not isinstance(self.made, BuildsBeside):
            compiled = self.compile(spec, variant, store, options)
            return lambda: compiled
        what = f"`begin` of {self.title}"
        begin = partial(self.made.begin, spec, variant, store, options)
        wait = ask(begin, what=what, accept=_function, passing=(OSError,))
        read = as_instance(Compiled, "a Compiled")
        return partial(ask, wait, what=what, accept=read, passing=(OSError,))

    def abandon(self) -> None:
        if isinstance(self.made, BuildsBeside):
            ask(self.made.abandon, what=f"`abandon` of {self.title}")

    def decompositions(self) -> Mapping[Any, Callable[..., Any]]:
        return ask(self.made.decompositions, what=f"`decompositions` of {self.title}", accept=as_map)

    def support(self, graph: fx.GraphModule) -> Mapping[fx.Node, Support]:
        return ask(self.made.support, graph, what=f"`support` of {self.title}", accept=as_map)

    def stored_once(self, tensors: Mapping[fx.Node, Tensor], options: BuildOptions) -> Collection[fx.Node]:
        if not isinstance(self.made, HoldsWeights):
            return tensors
        return ask(
            self.made.stored_once, tensors, options, what=f"`stored_once` of {self.title}", accept=frozenset
        )

    def joins_sizes(self, options: BuildOptions) -> bool:
        if not isinstance(self.made, JoinsSizes):
            return False
        return ask(self.made.joins_sizes, options, what=f"`joins_sizes` of {self.title}", accept=bool)


def builds_beside(builder: Builder) -> BuildsBeside | None:
    """The builder, where it builds in other processes."""
    return builder if isinstance(builder, AskedBuilder) and isinstance(builder.made, BuildsBeside) else None


def _text_or_none(answer: Any) -> str | None:
    if answer is not None and not isinstance(answer, str):
        raise TypeError("half a sentence, or None, is expected")
    return answer


def _texts_by_name(answer: Any) -> dict[str, str]:
    found = dict(as_map(answer))
    if not all(isinstance(name, str) and isinstance(text, str) for name, text in found.items()):
        raise TypeError("texts by name are expected")
    return found


def _function(answer: Any) -> LoadedProgram:
    if not callable(answer):
        raise TypeError("a function of tensors is expected")
    loaded: LoadedProgram = answer
    return loaded
