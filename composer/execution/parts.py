"""What runs the nodes of tasks: every declared module built once, and beside it what runs with one of its adapters.

A module with an adapter (`text+qa`) is the module itself but for the parts that the adapter changes: all others are
the very same objects, so that weights are there once, however many adapters are used.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import nn

from composer.graph import Checked, CheckedModule
from composer.graph.checked import split_part
from composer.graph.low_rank import CheckedAdapter, matches, unmatched, within
from composer.problems import DocumentError, Problem, YamlPath
from composer.problems.suggest import listed, nearest
from composer.weights.names import collapse
from composer.weights.slots import find_slots

if TYPE_CHECKING:
    from peft.tuners.lora import LoraLayer

    from composer.graph.moving_averages import CheckedAverage

__all__ = ["Parts", "build_parts"]


@dataclass
class Parts:
    """The parts that some tasks call, by name, and the weights that they are made of."""

    names: tuple[str, ...]
    """What the tasks call: `text`, `text+qa`."""
    weights: dict[str, nn.Module] = field(default_factory=dict)
    """What has weights of its own: declared modules, and the weights of adapters as `text+qa`."""
    frozen: dict[str, frozenset[str]] = field(default_factory=dict)
    """Module → the names of its weights and buffers that training leaves as they are."""
    averages: dict[str, CheckedAverage] = field(default_factory=dict)
    """Module → what it is the moving average of. It takes no gradient, and answers always."""
    layers: dict[str, dict[str, LoraLayer]] = field(default_factory=dict)
    """`text+qa` → the layers with the adapter, by the names of the parts that they are around."""

    def to_run(self, *, merge: bool) -> dict[str, nn.Module]:
        """What runs each part.

        With `merge`, the adapter of a module that is called in one way alone is added to the weights: that takes
        no more memory and no more time than a module without adapter.
        """
        found = {}
        for name in self.names:
            module, adapter = split_part(name)
            if not adapter:
                found[name] = self.weights[module]
                continue
            layers: Mapping[str, Any] = self.layers[name]
            if merge and self.is_alone(name):
                from composer.execution.peft_layers import merged

                layers = {path: merged(layer) for path, layer in layers.items()}
            found[name] = _with(self.weights[module], layers)
        return found

    def is_alone(self, name: str) -> bool:
        """Whether what is called is the only way in which its module is called."""
        return [split_part(other)[0] for other in self.names].count(split_part(name)[0]) == 1

    def weights_after(self, made: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        """What has weights of its own once parts were made with `merge`: a module with what was added to it."""
        alone = [name for name in self.names if name in self.layers and self.is_alone(name)]
        merged = {split_part(name)[0]: made[name] for name in alone}
        kept = {name: module for name, module in self.weights.items() if name not in alone}
        return {**kept, **merged}

    def set_modes(self, running: Mapping[str, nn.Module], *, training: bool) -> None:
        """Put what runs into training mode or that of answering.

        What is frozen always answers, be it a whole module or a part all of whose weights are frozen; what an adapter
        puts beside it is trained.
        """
        for module in (*self.weights.values(), *running.values()):
            module.train(training)
        for name in self.averages:
            self.weights[name].eval()
        for name, frozen in self.frozen.items():
            paths = _wholly(frozen, self.weights[name])
            for module in (self.weights[name], *(m for n, m in running.items() if split_part(n)[0] == name)):
                for path in paths:
                    module.get_submodule(path).eval()
        for layers in self.layers.values():
            table: Mapping[str, Any] = layers
            for layer in table.values():
                layer.lora_dropout.train(training)

    def frozen_tensors(self) -> frozenset[str]:
        """The names of all that is frozen, `<module>.<parameter>`, those that share a tensor with it too."""
        slots = find_slots(self.weights)
        own = {slots.first(f"{module}.{name}") for module, names in self.frozen.items() for name in names}
        return frozenset(name for name in slots.by_name if slots.first(name) in own)

    def only(self, names: Iterable[str]) -> Parts:
        """These parts alone, and what they are made of."""
        kept = tuple(names)
        owners = {owner for name in kept for owner in (name, split_part(name)[0])}
        owners |= {self.averages[name].of for name in owners if name in self.averages}
        return Parts(
            kept,
            *(
                {key: each for key, each in table.items() if key in owners}
                for table in (self.weights, self.frozen, self.averages, self.layers)
            ),  # type: ignore[arg-type]
        )

    def freeze(self) -> None:
        """Let frozen weights and averages take no gradient."""
        for name in self.averages:
            self.weights[name].requires_grad_(False)
        for name, frozen in self.frozen.items():
            for path, parameter in self.weights[name].named_parameters(remove_duplicate=False):
                if path in frozen:
                    parameter.requires_grad_(False)


def _wholly(frozen: Container[str], module: nn.Module) -> list[str]:
    """The paths of the outermost parts that have weights, all of them frozen; "" is the module."""
    found: list[str] = []
    for path, part in module.named_modules():
        inside = found and any(not outer or path.startswith(f"{outer}.") for outer in found)
        names = [name for name, _ in (*part.named_parameters(), *part.named_buffers())]
        start = f"{path}." if path else ""
        if not inside and names and all(f"{start}{name}" in frozen for name in names):
            found.append(path)
    return found


def build_parts(
    report: Checked,
    names: Iterable[str],
    build: Callable[[CheckedModule], nn.Module],
    *,
    empty: bool = False,
) -> Parts:
    """Build the declared modules behind parts, each once, and the weights of adapters, which are fresh.

    `empty` leaves weights of adapters without data where their module has none.

    Raises:
        DocumentError: C254, with every name that a module has not, or that cannot be adapted.
    """
    parts = Parts(tuple(names))
    problems: list[Problem] = []
    for name in dict.fromkeys(split_part(part)[0] for part in parts.names):
        declared = report.modules[name]
        parts.weights[name] = module = build(declared)
        if declared.average is not None:
            parts.averages[name] = declared.average
        if declared.freeze is not False:
            parts.frozen[name], found = _frozen(declared, declared.freeze, module, report)
            problems += found
    for part in parts.names:
        name, adapter = split_part(part)
        if adapter:
            targets, found = _targets(
                report.modules[name].adapters[adapter], name, parts.weights[name], report
            )
            problems += found
            if not found:
                _adapt(parts, part, report.modules[name].adapters[adapter], targets, empty)
    if problems:
        raise DocumentError(problems, report.sources)
    return parts


def _frozen(
    declared: CheckedModule, freeze: bool | tuple[str, ...], module: nn.Module, report: Checked
) -> tuple[frozenset[str], list[Problem]]:
    """The names of what is frozen, and a problem for every name that the module has not."""
    names = [name for name, _ in module.named_parameters(remove_duplicate=False)]
    names += [name for name, _ in module.named_buffers(remove_duplicate=False)]
    if isinstance(freeze, bool):
        return frozenset(names if freeze else ()), []
    wrong = dict.fromkeys(unmatched(freeze, names))
    problems = [
        _unknown(pattern, f"weight or part of module `{declared.name}`", names, declared.name, place)
        for pattern in wrong
        for place in (report.document.tree.place((*declared.path, "freeze", freeze.index(pattern))),)
    ]
    return frozenset(name for name in names if within(name, freeze)), problems


def _targets(
    adapter: CheckedAdapter, name: str, module: nn.Module, report: Checked
) -> tuple[dict[str, nn.Module], list[Problem]]:
    """The parts of a module that an adapter is put beside, and a problem for every target that names none."""
    from composer.execution.peft_layers import ADAPTED

    parts = {path: part for path, part in module.named_modules() if path}
    can = [path for path, part in parts.items() if isinstance(part, ADAPTED)]
    found: dict[str, nn.Module] = {}
    problems = []
    for index, pattern in enumerate(adapter.config.targets):
        where: YamlPath = (*adapter.path, "with", "targets", index)
        place = report.document.tree.place(where)
        met = [path for path in parts if matches(path, pattern)]
        if not met:
            what = f"part of module `{name}`"
            problems.append(_unknown(pattern, what, can, name, place))
        elif not set(met) & set(can):
            why = f"is a {type(parts[met[0]]).__name__}"
            message = f"`{pattern}` cannot be adapted: {met[0]} of module `{name}` {why}"
            helps = (f"linear maps, convolutions and embeddings can be: {_listed(pattern, can)}",)
            problems.append(Problem("C254", "error", message, place, helps=helps))
        found |= {path: parts[path] for path in met if path in can}
    return found, problems


def _unknown(pattern: str, what: str, known: list[str], module: str, place: Any) -> Problem:
    message = f"there is no {what} called `{pattern}`"
    own = pattern.removeprefix(f"{module}.")
    ends = [*known, *(outer for name in known for outer in _ends(name))]
    guess = own if own != pattern and any(matches(name, own) for name in ends) else None
    guess = guess or nearest(pattern, tuple(dict.fromkeys(ends)))
    helps = (f"did you mean `{guess}`?",) if guess is not None else ()
    return Problem("C254", "error", message, place, helps=(*helps, f"there are: {_listed(pattern, known)}"))


def _ends(name: str) -> Iterator[str]:
    """What may be written for a name: its ends, and the parts that it is inside of."""
    words = name.split(".")
    for index in range(1, len(words)):
        yield ".".join(words[index:])
        yield ".".join(words[:index])


def _listed(word: str, names: list[str]) -> str:
    return listed(word, tuple(collapse(names)))


def _adapt(
    parts: Parts, part: str, adapter: CheckedAdapter, targets: Mapping[str, nn.Module], empty: bool
) -> None:
    from composer.execution.peft_layers import holders_of, low_rank_layers

    layers = low_rank_layers(targets, adapter.config, empty=empty)
    weights = nn.Module()
    for path, layer in layers.items():
        inner = weights
        for word in path.split("."):
            if word not in inner._modules:
                inner.add_module(word, nn.Module())
            inner = inner.get_submodule(word)
        for name, holder in holders_of(layer).items():
            inner.add_module(name, holder)
    parts.layers[part], parts.weights[part] = layers, weights


def _with(module: nn.Module, layers: Mapping[str, nn.Module]) -> nn.Module:
    """A module in which other parts stand at some paths; what does not hold one of them is the very same."""
    replaced = {id(module.get_submodule(path)): layer for path, layer in layers.items()}
    made: dict[int, nn.Module] = {}

    def rebuilt(part: nn.Module) -> nn.Module:
        if id(part) in replaced:
            return replaced[id(part)]
        if id(part) not in made:
            children = {
                name: child if child is None else rebuilt(child) for name, child in part._modules.items()
            }
            same = all(child is part._modules[name] for name, child in children.items())
            made[id(part)] = part if same else _copy(part, children)
        return made[id(part)]

    return rebuilt(module)


def _copy(part: nn.Module, children: dict[str, nn.Module | None]) -> nn.Module:
    """The same part with other children. Its own weights are in the same tables: what is put there is in both."""
    copied = type(part).__new__(type(part))
    copied.__dict__ = {**part.__dict__, "_modules": children}
    return copied
