"""Which source each module takes its weights from: the command line, the document, or what ships with it.

For every module the first of these decides alone: it is named by `init` or by `weights` for that module; by `weights`
for the whole document; by the document itself; by what ships with the document, or with the nearest one that it
extends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from composer.graph import Checked
from composer.graph.checked import part_name, split_part
from composer.language.declared_weights import DeclaredWeights
from composer.plugin import Document, Registry
from composer.problems import InputError
from composer.problems.suggest import unknown
from composer.sources.given import INITIAL, GivenNames, GivenSources, GivenWeights, for_the_whole, read_given

__all__ = ["NOTHING", "NOTHING_FOR_IT", "Chosen", "ChosenSources", "adapters_of", "choose", "sources_shown"]

NOTHING = "nothing"
_INITIAL = f"--weights {INITIAL}"
NOTHING_FOR_IT = "nothing gives it weights, and a fresh adapter changes nothing"
"""Why an adapter starts fresh that nobody named."""
AS_FOLLOWED = "nothing gives it weights, and an average begins as the module that it follows"
"""Why an average starts fresh that nobody named."""
_TRAINED = "nothing gives it weights, and training begins with initial ones"


@dataclass(frozen=True)
class Chosen:
    """One source with the modules that it fills. A `whole` one names them in its keys, and may hold others too."""

    declared: DeclaredWeights
    given: str
    """Who names it: `--weights`, `--weights text=…`, `my.yaml:7`, `ships with quickstart`."""
    modules: tuple[str, ...]
    whole: bool = False
    document: str | None = None
    """The shipped document that it belongs to, where it belongs to one."""
    inherited: bool = False
    """Whether it was found through `extends` alone, without anybody naming it."""

    @property
    def said(self) -> str:
        """How to name it among several."""
        return str(self.declared) if self.document is None else f"the weights of {self.document}"


@dataclass(frozen=True)
class ChosenSources:
    """What every module begins with. `fresh` leads from modules that start fresh to who says so."""

    sources: tuple[Chosen, ...] = ()
    fresh: Mapping[str, str] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    """Modules of which nothing says where their weights come from; they may turn out to have none."""
    unused: tuple[str, ...] = ()
    """Sources that were given and that no module takes, in a sentence each."""
    otherwise: str = ""
    """Why modules start fresh of which nobody said anything."""

    @property
    def is_initial(self) -> bool:
        """Whether nothing is read, and that is what was asked for of the whole document."""
        asked = {self.otherwise, _INITIAL}
        return not self.sources and not self.lacking and asked.issuperset(self.fresh.values())

    def of(self, module: str) -> Chosen | None:
        return next((source for source in self.sources if module in source.modules), None)


def choose(
    report: Checked,
    registry: Registry,
    *,
    weights: GivenWeights = None,
    layout: GivenNames = None,
    root: GivenNames = None,
    init: str | Iterable[str] = (),
    needed: Iterable[str] | None = None,
    otherwise: str | None = None,
) -> ChosenSources:
    """Decide for the `needed` modules (all, unless named), as the module's docstring says.

    `otherwise`: `initial` where modules that nothing names start fresh, as training does, and nothing ships; `nothing`
    where a document without any weights is fine.

    Raises:
        InputError: a name that nothing has, options that contradict each other, or no weights at all.
    """
    given = read_given(report, registry, weights, layout, root)
    starting = _starting(report, init)
    _hold_apart(given, starting)
    called = (*report.modules, *adapters_of(report)) if needed is None else tuple(needed)
    names = list(dict.fromkeys(owner for name in called for owner in (split_part(name)[0], name)))
    found, adapters = _each_alone(report, given, starting, names)
    shipped = _shipped(registry, report) if found.rest else None
    if given.initial or given.whole is not None or (found.rest and (shipped or otherwise == INITIAL)):
        found.rest += adapters  # they come from where the rest comes from
    else:
        found.fresh |= {name: NOTHING_FOR_IT if split_part(name)[1] else AS_FOLLOWED for name in adapters}
    if given.initial:
        found.begin_fresh(_INITIAL)
    elif given.whole is not None:
        found.fill(given.whole, "--weights", given.document)
    elif otherwise == INITIAL:
        found.begin_fresh(_TRAINED)
    elif found.rest and shipped is not None:
        path, document, inherited = shipped
        layout_of_all, root_of_all = for_the_whole(layout) or "", for_the_whole(root) or ""
        declared = DeclaredWeights(file=str(path), layout=layout_of_all, root=root_of_all)
        found.fill(declared, f"ships with {document}", document, inherited)
    elif (
        found.rest and otherwise != NOTHING and found.rest == [name for name in names if name not in adapters]
    ):
        raise InputError(_no_weights(report.name))
    if not given.initial:  # a layout then reads a published config alone
        _hold_options(found.sources, for_the_whole(layout), for_the_whole(root))
    unused = tuple(_unused(given, found.sources, names))
    return ChosenSources(tuple(found.sources), found.fresh, tuple(found.rest), unused, _TRAINED)


def _each_alone(
    report: Checked, given: GivenSources, starting: Iterable[str], names: Iterable[str]
) -> tuple[_Found, list[str]]:
    """What is said of single modules, and the adapters and averages of which nothing is."""
    found = _Found()
    adapters: list[str] = []
    for name in names:
        if name in starting:
            found.fresh[name] = f"--init {name}"
            continue
        if name in given.pairs:
            found.take(name, given.pairs[name], f"--weights {name}=")
            continue
        if split_part(name)[1]:
            adapters.append(name)
            continue
        module = report.modules[name]
        if module.weights is None and module.average is not None and module.average.of in names:
            adapters.append(name)
        elif module.weights is not None and given.whole is None and not given.initial:
            found.take(name, module.weights, module.weights.place)
        elif not module.type.stateless:
            found.rest.append(name)
    return found, adapters


@dataclass
class _Found:
    """What is decided so far; `rest` holds the modules of which nothing is known yet."""

    sources: list[Chosen] = field(default_factory=list)
    fresh: dict[str, str] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)

    def take(self, name: str, declared: DeclaredWeights, given: str) -> None:
        """A module's own source; `given` ends in `=` where the command line names it."""
        if declared.fresh:
            self.fresh[name] = f"{given}fresh" if given.endswith("=") else f"`weights: fresh` at {given}"
        else:
            self.sources.append(Chosen(declared, f"{given}…" if given.endswith("=") else given, (name,)))

    def fill(
        self, declared: DeclaredWeights, given: str, document: str | None, inherited: bool = False
    ) -> None:
        """One source for the rest, where there is one."""
        if self.rest:
            self.sources.insert(0, Chosen(declared, given, tuple(self.rest), True, document, inherited))
            self.rest = []

    def begin_fresh(self, reason: str) -> None:
        self.fresh |= dict.fromkeys(self.rest, reason)
        self.rest = []


def sources_shown(report: Checked) -> Iterator[tuple[str, str, str]]:
    """Every module that has weights, with what gives them where no command says otherwise, and who names that."""
    shipped = _shipped(report.registry, report)
    for name, module in report.modules.items():
        declared = module.weights
        if declared is not None:
            options = [(key, getattr(declared, key)) for key in ("layout", "root", "prefix")]
            told = "".join(f", {key} {value}" for key, value in options if value)
            yield name, f"{declared}{told}", declared.place
        elif not module.type.stateless:
            path, said = ("nothing", "") if shipped is None else (shipped[0].name, f"ships with {shipped[1]}")
            yield name, path, said or "to be named: --weights or --init"


def _starting(report: Checked, init: str | Iterable[str]) -> tuple[str, ...]:
    """The modules that are named to start fresh. Raises InputError for a name that the document does not declare."""
    names = (init,) if isinstance(init, str) else tuple(init)
    known = (*report.modules, *adapters_of(report))
    for name in names:
        if name not in known:
            raise unknown("module", name, known, report.name)
    return names


def adapters_of(report: Checked) -> tuple[str, ...]:
    """The adapters of all modules, as `text+qa`."""
    return tuple(part_name(name, each) for name, module in report.modules.items() for each in module.adapters)


def _hold_apart(given: GivenSources, starting: Iterable[str]) -> None:
    for name in starting:
        source = given.pairs.get(name)
        if source is not None and not source.fresh:
            raise InputError(
                f"`{name}` is given weights by --weights {name}={source} and is to start fresh by --init {name}: "
                "leave one of them out"
            )


def _hold_options(sources: Iterable[Chosen], layout: str | None, root: str | None) -> None:
    """Raise InputError for an option of the source for the whole document where there is none."""
    if any(source.whole for source in sources):
        return
    for option, value in (("layout", layout), ("root", root)):
        if value is not None:
            raise InputError(
                f"{option}= (--{option}) {value} belongs to a checkpoint for the whole document, and none is read: "
                f"write --{option} MODULE={value} beside --weights MODULE=FILE"
            )


def _unused(given: GivenSources, sources: Iterable[Chosen], names: Iterable[str]) -> Iterator[str]:
    """Sources that were given for nothing."""
    for name, source in given.pairs.items():
        if name not in names:
            yield f"--weights {name}={source} is not read: the loaded tasks do not call `{name}`"
    if given.whole is not None and not any(source.whole for source in sources):
        yield f"--weights {given.whole} is not read: every module takes its weights from another source"


def _no_weights(name: str) -> str:
    return (
        f"{name} ships no weights: name a checkpoint with weights= (--weights), "
        f"or weights='{INITIAL}' for random ones"
    )


def _shipped(registry: Registry, report: Checked) -> tuple[Path, str, bool] | None:
    """The weights that ship with the document or its nearest ancestor: the file, whose it is, and whether inherited."""
    document = report.document
    own = document.path
    for path in (*([own] if own is not None else []), *document.ancestors):
        entry = _entry_of(registry.documents.values(), path)
        if entry is not None and entry.weights is not None:
            return entry.weights, entry.id, path != own
    return None


def _entry_of(entries: Iterable[Document], path: Path) -> Document | None:
    return next((entry for entry in entries if entry.path.resolve() == path.resolve()), None)
