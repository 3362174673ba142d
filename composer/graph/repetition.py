"""Inputs that samples may lack, or have several values of: what a document says of them, and what may not read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from composer.graph.checked import Endpoint, text_of
from composer.graph.fitting import shown
from composer.language import InputShape, Resolved
from composer.plugin import Modality
from composer.problems import Note, Place, Problem, YamlPath
from composer.problems.suggest import listed
from composer.types import ITEMS, UNBOUNDED, Kind, PortType, Several, Symbol

if TYPE_CHECKING:
    from composer.graph.checked import CheckedInput
    from composer.graph.edges import EdgeChecker
    from composer.graph.fitting import Edge

__all__ = [
    "merge_help",
    "of_other_items",
    "other_way_round",
    "repetition",
    "rows_as_answers",
    "take_several",
    "values_as_answers",
    "values_as_samples",
]

MERGE = "core.per_sample"
"""What makes states of each sample of those of its values."""
_MERGED = {"states": "", "embedding": ", with: {of: embedding}"}


def repetition(
    item: InputShape,
    path: YamlPath,
    ports: tuple[Mapping[str, PortType], Mapping[str, PortType]],
    modality: Modality,
    document: Resolved,
    kinds: Mapping[str, Kind],
) -> Several | Problem:
    """How many values of an input a sample may have, or C272: what is wrong with what the document says of it.

    `ports` are those of the modality, in a program and on the host.
    """
    tree = document.tree
    if item.optional and item.repeated is not None:
        message = "an input is `optional` or `repeated`, not both"
        helps = ("`repeated` alone: a sample may have no value, unless it says `at_least: 1`",)
        return Problem("C272", "error", message, tree.place((*path, "optional"), key=True), helps=helps)
    least, most = 0, 1
    where = (*path, "optional")
    if item.repeated is not None:
        least, most = item.repeated.at_least, item.repeated.at_most or UNBOUNDED
        where = (*path, "repeated")
        if least > most:
            message = f"no sample has at least {least} and at most {most} values"
            return Problem("C272", "error", message, tree.place((*where, "at_least")))
    several = Several.of(least, most, (port for each in ports for port in each.values()))
    try:
        for each in ports:
            several.ports(each, kinds)
    except ValueError as error:
        message = f"an input of {modality.title} has one value for each sample: {error}"
        helps = (f"remove `{where[-1]}`, or take an input of another modality",)
        return Problem("C272", "error", message, tree.place(where, key=True), helps=helps)
    return several


def take_several(checker: EdgeChecker, item: CheckedInput, several: Several) -> dict[str, Symbol]:
    """The symbols of an input of which samples may have none or several values, whoever writes the others."""
    values, count = Symbol(several.values, item.name), Symbol(several.count, item.name)
    checker.solver.apart[values] = item.name
    checker.several[item.name] = several
    checker.limit(count, several.limits)
    return {several.values: values, several.count: count}


def values_as_samples(
    source: str, target: str, input_: str, several: Several, given: PortType, place: Place, label: str
) -> Problem:
    """C270: values of which a sample may have none or several go where each sample has one."""
    message = (
        f"{source} has one entry for each value of input `{input_}`, and {target} takes one for each sample"
    )
    return Problem(
        "C270",
        "error",
        message,
        place,
        label,
        helps=(_how_many(input_, several), *merge_help(source, input_, given)),
    )


def other_way_round(
    source: str, target: str, input_: str, several: Several, given: PortType, place: Place, label: str
) -> Problem:
    """C270, where the node has taken values before: now comes what each sample has one of."""
    message = (
        f"{target} takes one entry for each value of input `{input_}`, and {source} has one for each sample"
    )
    helps = (
        _how_many(input_, several),
        f"put `{MERGE}` behind what has an entry for each value, before `{target}`",
    )
    return Problem("C270", "error", message, place, label, helps=helps)


def of_other_items(checker: EdgeChecker, edges: Sequence[Edge]) -> Problem | None:
    """C270: a node would put values back to their samples by the places (`items`) of another input's values."""
    places = next((e for e in edges if e.given.kind == ITEMS and e.source[0] in checker.several), None)
    if places is None:
        return None
    kinds, input_, tree = checker.registry.kinds, places.source[0], checker.document.tree
    samples = kinds[ITEMS].batch_of(places.wanted.dims)
    for edge in edges:
        counted = checker.counted_by_values(edge.given)
        if kinds[edge.wanted.kind].batch_of(edge.wanted.dims) in (None, samples) or counted == input_:
            continue
        has = "one for each sample" if counted is None else f"one entry for each value of input `{counted}`"
        message = (
            f"{text_of(edge.source)} has {has}, and {text_of(places.source)} are the places of `{input_}`"
        )
        if counted is None:
            helps, at = f"name what has an entry for each value of `{input_}`", edge
        else:
            helps, at = f"write `{places.port}: {counted}.{ITEMS}`", places
        return Problem("C270", "error", message, tree.place(at.reference), helps=(helps,))
    return None


def values_as_answers(
    checker: EdgeChecker, input_: str, outputs: Mapping[str, Endpoint], path: YamlPath
) -> Problem:
    """C271: outputs have an entry for each value of an input, not for each sample; one problem for all of them."""
    tree, several = checker.document.tree, checker.several[input_]
    types = {name: checker.types[endpoint] for name, endpoint in outputs.items()}
    first = next((name for name in outputs if types[name].kind in _MERGED), next(iter(outputs)))
    each = f"one entry for each value of input `{input_}`, not for each sample"
    message = f"output `{first}` is {shown(types[first])}: {each}"
    others = [f"`{name}`" for name in outputs if name != first]
    if others:
        message += f"; and so {'is' if len(others) == 1 else 'are'} {listed('', others)}"
    notes = tuple(Note(tree.place((*path, name)), "the same") for name in outputs if name != first)
    helps = (_how_many(input_, several), *merge_help(text_of(outputs[first]), input_, types[first]))
    return Problem("C271", "error", message, tree.place((*path, first)), notes=notes, helps=helps)


def rows_as_answers(checker: EdgeChecker, name: str, endpoint: Endpoint, path: YamlPath) -> Problem:
    """C271: an output has rows that a node makes, of which nobody knows whose samples they are."""
    message = (
        f"output `{name}` is {shown(checker.types[endpoint])}: it does not have one entry for each sample"
    )
    helps = (
        "show what stands before the node that makes other rows than it reads, or what puts them together",
    )
    return Problem("C271", "error", message, checker.document.tree.place((*path, name)), helps=helps)


def merge_help(source: str, input_: str, given: PortType) -> tuple[str, ...]:
    """What to put between, where something does that."""
    if given.kind not in _MERGED:
        return (f"make states or embeddings of it first, and then states of each sample by `{MERGE}`",)
    inputs = f"inputs: {{{given.kind}: {source}, items: {input_}.{ITEMS}}}"
    return (f"put a node between: {{uses: {MERGE}, {inputs}{_MERGED[given.kind]}}}",)


def _how_many(input_: str, several: Several) -> str:
    if several.most == 1:
        return f"`{input_}` is optional: a sample may have none"
    return f"`{input_}` is repeated: a sample has {several} of them"
