"""A backend is held to its contract: the methods of both halves, a plan, and programs that answer as their modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from composer_compile.backends.contract import Compiled
from composer_compile.backends.export_builder import ExportBuilder
from composer_compile.backends.export_loader import ExportLoader
from composer_compile.errors import BackendError
from torch import Tensor

from composer.conformance import ConformanceReport, check_plugin
from composer.plugin import Backend, hookimpl

BUILDING = ("check_options", "made_with", "compile", "decompositions", "support", "per_module")
LOADING = ("check_installed", "mismatch", "load", "capturable")


class Plugin:
    __name__ = "offered"

    def __init__(self, builder: str, loader: str) -> None:
        self.backend = Backend("test.backend", f"{__name__}:{builder}", f"{__name__}:{loader}", "")

    @hookimpl
    def composer_register(self, register: Any) -> None:
        register(self.backend)


def report(builder: str = "ExportBuilder", loader: str = "ExportLoader") -> ConformanceReport:
    return check_plugin(Plugin(builder, loader))


def fault(found: ConformanceReport) -> str:
    assert len(found.failures) == 1, str(found)
    return f"{found.failures[0].check}: {found.failures[0].reason}"


def without(whole: type, name: str) -> Callable[[], object]:
    """The class with everything but one name."""
    body = {key: value for key, value in vars(whole).items() if key != name and not key.startswith("__")}
    return type(f"No{whole.__name__}", (), body)


def with_(whole: type, **parts: Any) -> type:
    return type(f"Odd{whole.__name__}", (whole,), parts)


def unsupporting(self: Any, graph: Any) -> Any:
    return {}


def unsized(self: Any, spec: Any, variant: Any, store: Any) -> Any:
    return None


def nothing_to_load(self: Any, content: Any) -> Any:
    return None


def keyed(self: Any, *arguments: Any) -> Compiled:
    made = ExportBuilder.compile(self, *arguments)
    return Compiled(made.content, made.suffix, tuple("lost" for _ in made.weights))


def doubled(self: Any, *arguments: Any) -> Any:
    run = ExportLoader.load(self, *arguments)
    return lambda *tensors: [result * 2 for result in run(*tensors)]


def whole(self: Any, *arguments: Any) -> Any:
    run = ExportLoader.load(self, *arguments)
    return lambda *tensors: run(*tensors)[0]


def narrow(self: Any, *arguments: Any) -> Any:
    run = ExportLoader.load(self, *arguments)
    return lambda *tensors: [result[:1] for result in run(*tensors)]


def twice(self: Any, *arguments: Any) -> Any:
    run = ExportLoader.load(self, *arguments)
    return lambda *tensors: [*run(*tensors), *run(*tensors)]


def changing(self: Any, *arguments: Any) -> Any:
    run = ExportLoader.load(self, *arguments)

    def changed(values: Tensor) -> Sequence[Tensor]:
        found = run(values)
        values.zero_()
        return found

    return changed


def missing(self: Any, *_: Any) -> None:
    raise BackendError("the backend test needs a library: pip install it")


def always(self: Any, *_: Any) -> str:
    return "it is always too old"


def broken(self: Any, *_: Any) -> Any:
    return torch.zeros(1)[3]


ODD: dict[str, Any] = {
    "Unsupporting": with_(ExportBuilder, support=unsupporting),
    "Unsized": with_(ExportBuilder, compile=unsized),
    "Text": with_(ExportBuilder, compile="compile"),
    "Perhaps": with_(ExportBuilder, per_module="perhaps"),
    "Joining": with_(ExportBuilder, joins_sizes=lambda self: True),
    "Keyed": with_(ExportBuilder, compile=keyed),
    "Broken": with_(ExportBuilder, compile=broken),
    "Elsewhere": with_(ExportBuilder, check_options=missing),
    "Unchecking": with_(ExportLoader, check_stored=lambda self: None),
    "Doubled": with_(ExportLoader, load=doubled),
    "Whole": with_(ExportLoader, load=whole),
    "Narrow": with_(ExportLoader, load=narrow),
    "Twice": with_(ExportLoader, load=twice),
    "Changing": with_(ExportLoader, load=changing),
    "Missing": with_(ExportLoader, check_installed=missing),
    "Refusing": with_(ExportLoader, mismatch=always),
}


def __getattr__(name: str) -> Any:
    if name in ODD:
        return ODD[name]
    for whole_, prefix in ((ExportBuilder, "BuilderWithout_"), (ExportLoader, "LoaderWithout_")):
        if name.startswith(prefix):
            return without(whole_, name.removeprefix(prefix))
    raise AttributeError(name)


def test_a_backend_that_holds() -> None:
    found = report()
    assert found.passed, str(found)
    assert [(each.check, each.outcome) for each in found.results] == [
        ("contract", "pass"),
        ("plan", "pass"),
        ("programs", "pass"),
    ]


@pytest.mark.parametrize("name", BUILDING)
def test_a_builder_without_a_part_of_the_contract(name: str) -> None:
    assert fault(report(builder=f"BuilderWithout_{name}")).endswith(f"has no `{name}`")


@pytest.mark.parametrize("name", LOADING)
def test_a_loader_without_a_part_of_the_contract(name: str) -> None:
    assert fault(report(loader=f"LoaderWithout_{name}")).endswith(f"has no `{name}`")


@pytest.mark.parametrize(
    ("half", "message"),
    [
        ("Text", "contract: `compile` of its builder is 'compile'; a method is expected"),
        ("Perhaps", "contract: `per_module` of its builder is 'perhaps'; True or False is expected"),
        ("Unsized", "contract: `compile` of its builder is written compile(spec: 'Any', variant"),
        ("Joining", "contract: `joins_sizes` of its builder is written joins_sizes(); it is called"),
        ("Unsupporting", "plan: its builder's `support` gives no Support for aten."),
        ("Keyed", "programs: its builder's `compile` names the weight 'lost', which is not in the store"),
        ("Broken", "programs: raises IndexError: "),
    ],
)
def test_a_builder_that_does_something_else(half: str, message: str) -> None:
    assert message in fault(report(builder=half))


@pytest.mark.parametrize(
    ("half", "message"),
    [
        ("Unchecking", "contract: `check_stored` of its loader is written check_stored(); it is called"),
        ("Doubled", "programs: at batch 1 its program differs from the module by up to"),
        ("Whole", "programs: a loaded program gives a Tensor; a sequence of tensors is expected"),
        ("Narrow", "programs: at batch 2 its program gives [1, 3] and the module [2, 3]"),
        ("Twice", "programs: a loaded program gives 2 tensors for a module that gives one"),
        ("Changing", "programs: its program changes a tensor that it was given"),
        ("Refusing", "programs: its loader refuses what its builder makes on the same machine: it is always"),
    ],
)
def test_a_loader_that_does_something_else(half: str, message: str) -> None:
    assert message in fault(report(loader=half))


@pytest.mark.parametrize(
    ("halves", "skipped"),
    [({"loader": "Missing"}, ["programs"]), ({"builder": "Elsewhere"}, ["plan", "programs"])],
)
def test_a_backend_that_cannot_work_here_is_skipped_with_the_reason(
    halves: dict[str, str], skipped: list[str]
) -> None:
    found = report(**halves)
    assert found.passed, str(found)
    told = {each.check: each.reason for each in found.results if each.outcome == "skip"}
    assert list(told) == skipped
    reason = "it cannot be tried here: the backend test needs a library: pip install it"
    assert set(told.values()) == {reason}


def test_a_half_that_cannot_be_imported_is_told_once() -> None:
    assert "implementation: " in fault(report(builder="Nowhere"))
