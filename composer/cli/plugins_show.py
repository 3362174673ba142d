"""`composer plugins show ID`: one entry of the registry, with its config and its ports."""

from __future__ import annotations

import argparse
import json
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from composer.cli.output import say
from composer.cli.plugins_list import offers

if TYPE_CHECKING:
    from composer.plugin import (
        Config,
        Generation,
        Method,
        Metric,
        Modality,
        ModuleType,
        Registry,
        RowFormat,
        SearchPolicy,
    )
    from composer.types import Port, Signature

__all__ = ["configure", "describe", "run"]

T = TypeVar("T")

WIDTH = 120
"""Columns of a line; longer ones go on below their text."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "id", metavar="ID", help="an id as `composer plugins list` shows it, or a plugin's name"
    )


def run(args: argparse.Namespace) -> int:
    """An id that names entries of several sections shows them all."""
    from composer.plugin import load_registry
    from composer.problems import InputError

    registry = load_registry()
    found = list(describe(registry, args.id))
    if not found:
        raise InputError(_unknown(registry, args.id))
    say("\n\n".join(found))
    return 0


def describe(registry: Registry, id: str) -> Iterable[str]:
    """A description of every entry that has this id, and of the plugin that has this name."""
    if id in registry.plugins:
        yield offers(registry, registry.plugins[id])
    for broken in registry.broken:
        if broken.origin.plugin == id:
            yield f"broken: {broken.origin}\n  {broken}\n{textwrap.indent(broken.traceback, '  ')}".rstrip()
    for section in registry.sections():
        if id in section:
            entry = section[id]
            rows = [f"{section.noun} {id}", f"  {entry.summary}", f"  from {section.origin(id)}"]
            yield "\n".join([*rows, *_details(entry)])


def _unknown(registry: Registry, id: str) -> str:
    from composer.cli.plugins import as_document
    from composer.plugin.libraries import as_id, library_help
    from composer.problems.suggest import nearest

    entries = {name for section in registry.sections() for name in section}
    known = entries | registry.plugins.keys()
    meant = as_id(id)
    foreign = as_document(id, "show") or (
        library_help(id, registry.module_types) if meant not in known else None
    )
    if foreign is not None:
        return foreign
    plugin, dot, name = meant.partition(".")
    if meant in known:
        guess: str | None = meant
    elif dot and plugin in registry.plugins:  # what resembles it by the plugin's name alone is not meant
        own = nearest(
            name, sorted(each.partition(".")[2] for each in entries if each.startswith(f"{plugin}."))
        )
        guess = None if own is None else f"{plugin}.{own}"
    else:  # a name with a dot is a part of a plugin, and no plugin, document or layout
        guess = nearest(meant, sorted(each for each in known if "." in each or not dot))
    if guess is not None:
        hint = f"did you mean {guess}?"
    elif plugin in registry.plugins:
        hint = f"`composer plugins show {plugin}` shows what {plugin} does"
    else:
        hint = "`composer plugins list` shows what there is"
    return f"no installed plugin offers {id!r}; {hint}"


def _details(entry: object) -> list[str]:
    from composer.plugin import Dataset, Document, Metric, Modality, ModuleType, RowFormat, SearchPolicy
    from composer.types import Kind

    if isinstance(entry, ModuleType):
        return [*_config_rows(entry.config), *_method_rows(entry)]
    if isinstance(entry, Modality):
        return [*_config_rows(entry.config), *_modality_rows(entry)]
    if isinstance(entry, SearchPolicy):
        return [*_config_rows(entry.config), *_search_rows(entry)]
    if isinstance(entry, Kind):
        rows = [f"  written {entry.id}[{', '.join(entry.dims)}]" if entry.dims else f"  written {entry.id}"]
        if entry.parent:
            rows.append(f"  connects wherever {entry.parent} is asked for")
        for name, field in entry.fields.items():
            dims = ", ".join(entry.dims[index] for index in field.dims)
            rows.append(f"    {name}: {field.dtype}[{dims}]{' (optional)' if field.optional else ''}")
        return rows
    if isinstance(entry, Document):
        return [f"  {entry.path}"]
    if isinstance(entry, Dataset):
        given = [f"  gives {', '.join(entry.gives)}"] if entry.gives else []
        return [*_config_rows(entry.config), *given]
    if isinstance(entry, RowFormat):
        return _format_rows(entry)
    if isinstance(entry, Metric):
        return [*_config_rows(entry.config), *_metric_rows(entry)]
    config = getattr(entry, "config", None)
    return _config_rows(config) if config is not None else []


def _config_rows(config: type[Config], indent: str = "  ") -> list[str]:
    from composer.types.field_docs import documented

    if not config.model_fields:
        return [f"{indent}with: nothing"]
    rows = [f"{indent}with"]
    size = max(map(len, config.model_fields))
    for name, field in documented(config).model_fields.items():
        value = field.get_default(call_default_factory=True)
        default = "required" if field.is_required() else f"default {json.dumps(value, default=_plain)}"
        kind = _type_name(field.annotation)
        about = " ".join((field.description or "").split())
        start = f"{indent}  {name:<{size}}  "
        text = f"{start}{kind}, {default}. {about}".rstrip()
        rows += textwrap.wrap(
            text, WIDTH, subsequent_indent=" " * len(start), break_long_words=False, break_on_hyphens=False
        )
    return rows


def _format_rows(entry: RowFormat) -> list[str]:
    needed = len(entry.file_names) - entry.optional_files
    files = ",".join(entry.file_names[:needed]) + "".join(f"[,{name}]" for name in entry.file_names[needed:])
    rows = ["", f"  --data {entry.id}:{files}", f"  columns: {', '.join(entry.gives)}"]
    return [*rows, *([f"  files below --media-root: {', '.join(entry.media)}"] if entry.media else [])]


def _metric_rows(entry: Metric) -> list[str]:
    counts = "" if entry.outputs == (1,) else f", {' or '.join(map(str, entry.outputs))} of them together"
    rows = [f"  takes {', '.join(entry.takes) or 'outputs of any kind'}{counts}"]
    if entry.usual_for:
        rows.append(f"  scores {', '.join(entry.usual_for)} where nobody names a metric")
    mean = entry.per_sample and entry.combine is None
    gives = "the mean of a number for each sample" if mean else "one number for all samples together"
    rows.append(f"  gives {gives}; {'higher' if entry.higher_is_better else 'lower'} is better")
    return rows


def _plain(value: object) -> object:
    """A default that is not a plain value, such as a `search`, as a document writes it."""
    choice = getattr(value, "uses", None)
    return str(value) if choice is None else choice


def _type_name(annotation: object) -> str:
    """A Python type in the words of a document: `whole number or null`, `one of mean, max`."""
    names = {int: "whole number", float: "number", str: "text", bool: "true or false", type(None): "null"}
    if annotation in names:
        return names[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin is typing.Annotated:
        return _type_name(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_type_name, arguments))
    if origin in (list, tuple):
        inner = [argument for argument in arguments if argument is not ...]
        return f"list of {', '.join(dict.fromkeys(map(_type_name, inner)))}"
    return getattr(annotation, "__name__", str(annotation))


def _method_rows(entry: ModuleType) -> list[str]:
    rows = ["  methods"] if entry.methods else []
    for name, method in entry.methods.items():
        about = f"  {method.summary}" if method.summary else ""
        rows.append(f"    {name}{about}")
        rows += _signature_rows(entry, method.signature, method.options)
        rows += _config_rows(method.options, " " * 6) if method.options is not None else []
        rows += _export_rows(method)
    if entry.generation is not None:
        generation = entry.generation
        rows.append("    generate  Decodes tokens until the end token.")
        rows += _signature_rows(entry, generation.signature, generation.options)
        rows += _config_rows(generation.options, " " * 6)
        rows += _export_rows(generation)
    return rows


def _export_rows(entry: Method | Generation) -> list[str]:
    return [f"      cannot be compiled: {entry.not_exportable}"] if entry.not_exportable else []


def _search_rows(entry: SearchPolicy) -> list[str]:
    from composer.plugin.answers import as_output_ports

    rows = ["  draws tokens by chance: takes a seed"] if entry.seeded else []
    known = asked(
        entry.ports, entry.config, entry.examples, read=lambda config: as_output_ports, by_name=False
    )
    if known is not None and known[0]:
        ports, of = known
        rows += [f"  adds output ports{of}", *(f"      {name}: {port}" for name, port in ports.items())]
    return rows


def _modality_rows(entry: Modality) -> list[str]:
    from composer.plugin.answers import as_ports

    known = asked(entry.ports, entry.config, entry.examples, read=lambda config: as_ports)
    if known is None:
        return ["  ports", "      depend on the config"]
    ports, of = known
    return [f"  ports{of}", *(f"      {name}: {port}" for name, port in ports.items())]


def _signature_rows(
    entry: ModuleType, signature: Callable[..., Signature], options: type[Config] | None
) -> list[str]:
    from composer.plugin.answers import as_signature

    known = asked(signature, entry.config, entry.examples, options, read=as_signature)
    if known is None:
        return ["      its ports depend on the config"]
    made, of = known
    where = [f"      for example{of}"] if of else []
    return [*where, f"      takes {_ports(made.inputs)}", f"      gives {_ports(made.outputs)}"]


def asked(
    function: Callable[..., object],
    config: type[Config],
    examples: Iterable[Mapping[str, object]],
    options: type[Config] | None = None,
    *,
    read: Callable[[object], Callable[[object], T]],
    by_name: bool = True,
) -> tuple[T, str] | None:
    """What a plugin's function says of a config whose numbers are names; else of its defaults, else of an example.

    `read` gives the reader of its answer for a config. The text tells of which one it is; None where it says nothing
    of any.
    """
    from pydantic import ValidationError

    from composer.plugin.asking import ask
    from composer.problems import ComposerError

    more = [] if options is None else [options]
    tries: list[Mapping[str, object] | None] = [{}, *examples]
    if by_name:
        tries.insert(len(tries) if _needs_text(config) else 0, None)
    for values in tries:
        try:
            chosen = _symbols(config, *more) if values is None else _validated(values, config, *more)
            found = ask(function, *chosen, what="a function of the plugin", accept=read(chosen[0]))
        except (ComposerError, ValidationError):  # this config does not do, or the plugin's function fails
            continue
        if values is None:
            return found, ""
        shown = ", ".join(f"{name}: {_written(value)}" for name, value in values.items())
        return found, f" with {{{shown}}}" if values else " with the defaults"
    return None


def _validated(values: Mapping[str, object], config: type[Config], *more: type[Config]) -> list[object]:
    """A config with values, and options as they are by default."""
    from pydantic import ValidationError

    from composer.plugin.asking import ask

    given = [(config, values), *((model, {}) for model in more)]
    return [
        ask(model.model_validate, each, what="a config", passing=(ValidationError,)) for model, each in given
    ]


def _needs_text(config: type[Config]) -> bool:
    """Whether a text has to be given: its own name in its place would say little."""
    return any(field.is_required() and field.annotation is str for field in config.model_fields.values())


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str).replace('"', "")


def _ports(ports: Mapping[str, Port]) -> str:
    marks = {(True, False): "?", (False, True): "*", (False, False): "", (True, True): "*?"}
    return ", ".join(f"{name}: {port.type}{marks[port.optional, port.many]}" for name, port in ports.items())


def _symbols(*configs: type[Config] | None) -> list[Config]:
    """Configs whose required numbers are their own names, so that a signature reads in terms of them."""
    made = []
    for config in configs:
        if config is not None:
            required = {name: name for name, field in config.model_fields.items() if field.is_required()}
            made.append(config.model_construct(**required))  # type: ignore[arg-type]
    return made
