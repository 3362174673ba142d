"""Write the JSON Schema of documents, with the config of every installed module type and modality, for editors.

Name the file in the first line of a document: `# yaml-language-server: $schema=composer.schema.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write to this file instead of standard output"
    )


def run(args: argparse.Namespace) -> int:
    from composer.plugin import load_registry
    from composer.views import document_schema
    from composer.views.writing import write_whole

    text = json.dumps(document_schema(load_registry()), indent=2, ensure_ascii=False) + "\n"
    if args.out is None:
        sys.stdout.write(text)
    else:
        write_whole(args.out, text)
        print(f"wrote {args.out}; name it in a document: # yaml-language-server: $schema={args.out}")
    return 0
