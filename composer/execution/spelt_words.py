"""Words that a document writes and a tokenizer cannot, and searches that cannot hold: told before any weight is read.

The checker tells what shows without torch; here the searches are made, and the processors that need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from composer.execution.generation import tokenizer_for
from composer.execution.processors import Processors
from composer.graph import Checked, CheckedNode, Read
from composer.graph.search_rules import spelling_faults
from composer.plan import Plan
from composer.plugin import Config, Modality, Tokenizer, Vocabulary
from composer.plugin.answers import as_vocabulary
from composer.plugin.asking import ask
from composer.plugin.implementations import bind_search, framing_of
from composer.plugin.written_words import texts_of
from composer.problems import DocumentError, InputError, Problem, YamlPath

__all__ = ["hold_words"]


def hold_words(report: Checked, plans: Iterable[Plan]) -> None:
    """Raise DocumentError for texts of searches (answers, forbidden, first and last words, stop strings) that a decoder
    cannot write or that cannot hold together, and for templates that a tokenizer cannot read.
    """
    made = Processors()
    problems: list[Problem] = []
    for plan in plans:
        for step in plan.steps:
            callee = step.node.callee
            if step.node.generates:
                problems += _in_search(report, step.node, made)
            elif isinstance(callee, Read):
                config = step.node.module.config
                problems += _in_template(report, callee.modality, config, step.node.path, made)
        for item in plan.inputs.values():
            problems += _in_template(report, item.modality, item.config, item.path, made)
    if problems:
        raise DocumentError(dict.fromkeys(problems), report.sources)


def _in_template(
    report: Checked, modality: Modality, config: Config, path: YamlPath, made: Processors
) -> Iterator[Problem]:
    """What a modality that reads texts refuses when its processor is made."""
    if not modality.reads:
        return
    try:
        made.of(modality, config)
    except InputError as error:
        told = f"`{path[-1]}` cannot be read: {error}"
        helps = ("write other words, or name the tokenizer that has them",)
        yield _problem(report, "C206", told, ((*path, "with", "template"), path), helps)


def _in_search(report: Checked, node: CheckedNode, made: Processors) -> Iterator[Problem]:
    search = node.decoding.search
    if not any(texts_of(search.config, spells=search.policy.spells)):
        return
    what = f"`vocabulary` of {node.module.type.title}"
    vocabulary = ask(node.decoding.generation.vocabulary, node.module.config, what=what, accept=as_vocabulary)
    tokenizer = tokenizer_for(report.registry, vocabulary, made)
    told = list(spelling_faults(report.document.tree, node.path, search, node.module.name, tokenizer))
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


def _problem(
    report: Checked, code: str, message: str, places: Iterable[YamlPath], helps: tuple[str, ...]
) -> Problem:
    tree = report.document.tree
    where = next(place for place in places if tree.node(place) is not None)
    return Problem(code, "error", message, tree.place(where), helps=helps)
