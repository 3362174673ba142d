"""Write the JSON Schema of documents, with the config of every installed module type and modality, for editors; or that
of training recipes, with every installed dataset and metric.

Name the file in the first line of a document: `# yaml-language-server: $schema=composer.schema.json`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from composer.cli.output import print_json, say

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write to this file instead of standard output"
    )
    parser.add_argument("--recipe", action="store_true", help="the schema of training recipes")


def run(args: argparse.Namespace) -> int:
    from composer.files import replace_file
    from composer.plugin import load_registry
    from composer.problems.render.machine import json_text
    from composer.views import document_schema, recipe_schema

    schema = (recipe_schema if args.recipe else document_schema)(load_registry())
    if args.out is None:
        print_json(schema)
    else:
        replace_file(args.out, lambda file: file.write(f"{json_text(schema)}\n".encode()))
        file = "recipe" if args.recipe else "document"
        say(f"wrote {args.out}; name it in a {file}: # yaml-language-server: $schema={args.out}")
    return 0
