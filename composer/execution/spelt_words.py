"""Words that a document writes and a tokenizer cannot: told before any weight is read, each at its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from composer.execution.generation import tokenizer_for
from composer.execution.processors import Processors
from composer.graph import Checked, CheckedNode
from composer.plan import Plan
from composer.plugin import TextRules, Tokenizer, Vocabulary
from composer.plugin.answers import as_vocabulary
from composer.plugin.asking import ask
from composer.plugin.implementations import bind_search, framing_of
from composer.problems import DocumentError, InputError, Problem, YamlPath

__all__ = ["hold_words"]

Written = tuple[str, tuple[int, ...], str]
"""An option, where in its list a text stands, and the text."""


def hold_words(report: Checked, plans: Iterable[Plan]) -> None:
    """Raise DocumentError for texts of searches (answers, forbidden, first and last words) that a decoder cannot write
    or that cannot hold together, and for templates that a tokenizer cannot read.
    """
    made = Processors()
    problems: list[Problem] = []
    for plan in plans:
        for step in plan.steps:
            if step.node.generates:
                problems += _in_search(report, step.node, made)
        for item in plan.inputs.values():
            if item.modality.reads is not None:
                try:
                    made.of(item.modality, item.config)
                except InputError as error:
                    where = (*item.path, "with", "template")
                    told = f"input `{item.name}` cannot be read: {error}"
                    helps = ("write other words, or name the tokenizer that has them",)
                    problems.append(_problem(report, "C206", told, (where, item.path), helps))
    if problems:
        raise DocumentError(dict.fromkeys(problems), report.sources)


def _in_search(report: Checked, node: CheckedNode, made: Processors) -> Iterator[Problem]:
    decoding = node.decoding
    written = list(_texts(decoding.search.config, spells=decoding.search.policy.spells))
    if not written:
        return
    what = f"`vocabulary` of {node.module.type.title}"
    vocabulary = ask(decoding.generation.vocabulary, node.module.config, what=what, accept=as_vocabulary)
    tokenizer = tokenizer_for(report.registry, vocabulary, made)
    told: list[Problem] = []
    for option, index, text in written:
        fault = _fault(tokenizer, text)
        if fault:
            here = (*node.path, "with", "search", "with", option)
            places = ((*here, *index), here, (*node.path, "with", "search"), node.path)
            what = f"`{option}` of {decoding.search.policy.id} cannot be written by `{node.module.name}`: {fault}"
            names = ", ".join(str(value) for value in vocabulary.config.values())
            helps = (f"write words that its tokenizer ({names}) has, or leave this one out",)
            told.append(_problem(report, "C280", what, places, helps))
    yield from told or _together(report, node, vocabulary, tokenizer)


def _together(
    report: Checked, node: CheckedNode, vocabulary: Vocabulary, tokenizer: Tokenizer
) -> Iterator[Problem]:
    """What cannot hold of texts that are written each by itself, such as two answers of the same ids."""
    options, search = node.decoding.options, node.decoding.search
    framing = framing_of(vocabulary, min_tokens=options.min_tokens, max_tokens=options.max_tokens)
    try:
        bind_search(
            search.policy,
            search.config,
            framing,
            beams=search.beams,
            streams=search.streams,
            tokenizer=tokenizer,
        )
    except InputError as error:
        places = ((*node.path, "with", "search", "with"), (*node.path, "with", "search"), node.path)
        yield _problem(report, "C280", f"the search of `{node.name}` cannot hold: {error}", places, ())


def _texts(config: object, *, spells: bool) -> Iterator[Written]:
    """The texts of a search that its decoder is to write: those of rules, and all of a policy that spells."""
    names = ["forbidden", "first", "last"] if isinstance(config, TextRules) else []
    if spells:
        names += [name for name in getattr(type(config), "model_fields", {}) if name not in {*names, "stop"}]
    for name in names:
        value = getattr(config, name)
        parts = value if isinstance(value, (list, tuple)) else [value]
        for index, part in enumerate(parts):
            if isinstance(part, str):
                yield name, (index,) if parts is value else (), part


def _fault(tokenizer: Tokenizer, text: str) -> str:
    spell = getattr(tokenizer, "spell", None)
    if not callable(spell):
        return ""  # told where the search is made
    try:
        spell(text)
    except InputError as error:
        return str(error)
    return ""


def _problem(
    report: Checked, code: str, message: str, places: Iterable[YamlPath], helps: tuple[str, ...]
) -> Problem:
    tree = report.document.tree
    where = next(place for place in places if tree.node(place) is not None)
    return Problem(code, "error", message, tree.place(where), helps=helps)
