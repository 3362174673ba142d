"""Modules that are the moving average of another: what is declared of them. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from composer.graph.checked import CheckedModule
from composer.language import ModuleShape
from composer.plugin import Config
from composer.problems import Edit, Problem, YamlPath
from composer.problems.suggest import listed, suggest

if TYPE_CHECKING:
    from composer.graph.callees import Callees

__all__ = ["Average", "CheckedAverage", "declare_average", "hold_like_followed"]


class Average(Config):
    """`with` of a module that is the moving average of another."""

    momentum: float = Field(default=0.995, ge=0, le=1)
    """Part of itself that the average keeps at a step of training; the rest comes from what it follows. With 1 it stays
    as it began, with 0 it is what it follows."""


@dataclass(frozen=True)
class CheckedAverage:
    """The module that is followed, and how closely."""

    of: str
    momentum: float


def declare_average(callees: Callees, name: str, shape: ModuleShape, path: YamlPath) -> CheckedModule | None:
    """The module that an average is, with the type and the config of the one that it follows; None after reporting."""
    of = str(shape.average_of)
    own = {
        "uses": "it is what the module that it follows is",
        "freeze": "training moves it by the average alone",
    }
    own["adapters"] = "an adapter belongs to a module that learns"
    for key, why in own.items():
        if callees.document.tree.find((*path, key))[2]:
            message = f"module `{name}` is the average of `{of}` and has the key `{key}`: {why}"
            place = callees.document.tree.place((*path, key), key=True)
            callees.findings.add(Problem("C276", "error", message, place, helps=(f"remove `{key}`",)))
            return None
    followed = callees.modules.get(of)
    shapes = callees.document.shape.modules
    if followed is None and of != name and of in shapes and shapes[of].average_of is None:
        return None  # what is wrong with that module is said already
    if followed is None or followed.average is not None or followed.type.stateless:
        _refuse(callees, name, of, followed, (*path, "average_of"))
        return None
    config = callees.reader.read(Average, shape.with_, path, f"average `{name}`")
    if not isinstance(config, Average):
        return None
    average = CheckedAverage(of, config.momentum)
    return CheckedModule(name, followed.type, followed.config, path, average=average)


def _refuse(callees: Callees, name: str, of: str, followed: CheckedModule | None, path: YamlPath) -> None:
    """C275: nothing can be the average of that."""
    place = callees.document.tree.place(path)
    shapes = callees.document.shape.modules
    helps, fix = tuple[str, ...](), tuple[Edit, ...]()
    if of == name:
        message = f"module `{name}` is declared as the average of itself"
    elif of in shapes and shapes[of].average_of is not None:
        message = f"module `{name}` is declared as the average of `{of}`, which is an average itself"
        helps = (f"write `average_of: {shapes[of].average_of}`, which `{of}` follows",)
    elif followed is not None:
        message = f"module `{name}` is declared as the average of `{of}`, which has no weights"
    else:
        can = [each for each, shape in shapes.items() if shape.average_of is None]
        meant = suggest(of, can, place, coined=True)
        message = f"there is no module `{of}` whose average `{name}` could be"
        helps = (*meant.helps, f"modules: {listed(of, can)}")
        fix = meant.fix
    callees.findings.add(Problem("C275", "error", message, place, helps=helps, fix=fix))


def hold_like_followed(callees: Callees, module: CheckedModule) -> None:
    """Take over what the calls of the followed module agree on; C206 where the average's own calls say otherwise."""
    assert module.average is not None
    followed = callees.modules[module.average.of]
    if module.config != followed.config and not callees.findings.failed:
        ours, theirs = dict(module.config), dict(followed.config)
        differing = [key for key, value in ours.items() if value is not None and value != theirs.get(key)]
        for key in differing:
            message = f"{key} of `{module.name}` is {ours[key]} by its calls, and {theirs[key]} of `{followed.name}`"
            place = callees.document.tree.place((*module.path, "average_of"))
            helps = (f"give `{module.name}` what `{followed.name}` is given",)
            callees.findings.add(Problem("C206", "error", message, place, helps=helps))
    module.config = followed.config
