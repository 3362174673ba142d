"""What is checked: one method of one module type under one config, built and called as a program would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from composer.conformance.report import Failure
from composer.conformance.symbol_sizes import Partition, partition_of
from composer.execution.slot_values import PortValues
from composer.plugin.asking import PluginError, import_object
from composer.plugin.declarations import Config, Method, ModuleType
from composer.problems import InputError
from composer.types import Kind, Signature

__all__ = ["Build", "MethodCase", "configs_of", "import_reference"]

SHORT_VALUE = 40
"""Characters of a value that a report shows."""
UNSET_SIZE = 6
"""Size of a symbol whose config field is left for the calls to fill in."""


def import_reference(reference: str) -> Any:
    """The object that `"package.module:Name"` names; raises Failure that says what is not there."""
    try:
        return import_object(reference, "it")
    except PluginError as error:
        where = f" ({error.where})" if error.where else ""
        raise Failure(
            f"{reference} cannot be imported: it {error.fault.partition(': it ')[2]}{where}"
        ) from error


def configs_of(entry: ModuleType) -> Iterator[Config]:
    """The example configs, or the defaults where the type gives none. Raises Failure for a config it refuses."""
    for example in entry.examples or ({},):
        try:
            yield _filled(entry, entry.config.model_validate(example))
        except ValidationError as error:
            missing = [".".join(map(str, e["loc"])) for e in error.errors() if e["type"] == "missing"]
            if missing and not entry.examples:
                raise Failure(
                    f"its config has no default for {', '.join(missing)}, so it cannot be built: "
                    "give the ModuleType `examples`"
                ) from None
            raise Failure(f"its example {dict(example)} is refused: {error.errors()[0]['msg']}") from None


def _filled(entry: ModuleType, config: Config) -> Config:
    """Give a size to fields that a document would leave to the checker (`Signature.fixed`)."""
    for method in entry.methods.values():
        options = [method.options()] if method.options is not None else []
        try:
            fixed = method.signature(config, *options).fixed
        except InputError:  # a method that a module of this config has not; the kit tells it
            continue
        for field in fixed.values():
            if getattr(config, field) is None:
                config = config.model_validate({**config.model_dump(), field: UNSET_SIZE})
    return config


@dataclass(frozen=True)
class Build:
    """A module type under one config. `module` is on the CPU, in eval mode, with weights that all matter."""

    entry: ModuleType
    config: Config

    @cached_property
    def module(self) -> nn.Module:
        module = self.make()
        stir(module)
        return module

    def make(self) -> nn.Module:
        """A fresh module from the builder."""
        module = import_reference(self.entry.builder)(self.config)
        if not isinstance(module, nn.Module):
            raise Failure(f"{self.entry.builder} gives {type(module).__name__}, not a torch module")
        return module.eval()

    def holding(self, module: nn.Module) -> Build:
        """The same with another module."""
        other = Build(self.entry, self.config)
        other.__dict__["module"] = module  # where the cached property keeps it
        return other

    def __str__(self) -> str:
        values = self.config.model_dump(exclude_unset=True).items()
        given = ", ".join(f"{name}={_short(value)}" for name, value in values)
        return f"{self.entry.id} ({given})" if given else self.entry.id


def _short(value: object) -> str:
    """A value that a report can repeat in every line: of a long map or list what it is."""
    text = repr(value)
    if len(text) <= SHORT_VALUE or not isinstance(value, (dict, list)):
        return text
    return f"{{{len(value)} keys}}" if isinstance(value, dict) else f"[{len(value)} values]"


@torch.no_grad()
def stir(module: nn.Module, seed: int = 0) -> None:
    """Move every weight, so that what starts at zero or one hides nothing."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if parameter.is_floating_point():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 25
            noise = torch.randn(parameter.shape, generator=generator) * max(fan_in, 1) ** -0.5
            parameter.add_(noise.to(parameter.dtype))


@dataclass(frozen=True)
class MethodCase:
    """One way to call a built module."""

    build: Build
    name: str
    method: Method
    kinds: Mapping[str, Kind]

    @cached_property
    def options(self) -> Config | None:
        return None if self.method.options is None else self.method.options()

    @cached_property
    def signature(self) -> Signature:
        arguments = [self.build.config] if self.options is None else [self.build.config, self.options]
        return self.method.signature(*arguments)

    @cached_property
    def refusal(self) -> str:
        """Why a module of this config has not this method, or ""."""
        try:
            _ = self.signature
        except InputError as error:
            return str(error)
        return ""

    @cached_property
    def partition(self) -> Partition | None:
        return partition_of(self.signature, self.kinds)

    def __str__(self) -> str:
        return f"{self.build} {self.name}"

    def function(self, module: nn.Module) -> Any:
        """The bound method with its options, as a program binds it."""
        function = (
            module if self.method.attribute == "forward" else getattr(module, self.method.attribute, None)
        )
        if function is None:
            raise Failure(f"{type(module).__name__} has no method {self.method.attribute!r}")
        return function if self.options is None else partial(function, **dict(self.options))

    @torch.no_grad()
    def run(self, inputs: PortValues, module: nn.Module | None = None) -> PortValues:
        """Call with keyword arguments by port; the value of every output port."""
        return self.by_port(self.function(module if module is not None else self.build.module)(**inputs))

    def by_port(self, result: object) -> dict[str, object]:
        """Whatever a method returned, by output port. Raises Failure for ports that were not declared."""
        ports = list(self.signature.outputs)
        if len(ports) == 1:
            if isinstance(result, Mapping):
                raise Failure(
                    f"returns a mapping; a method with one output returns the value of {ports[0]} itself"
                )
            return {ports[0]: result}
        if not isinstance(result, Mapping) or set(result) != set(ports):
            found = ", ".join(map(str, result)) if isinstance(result, Mapping) else type(result).__name__
            raise Failure(f"returns {found} where a mapping of {', '.join(ports)} is declared")
        return {port: result[port] for port in ports}
