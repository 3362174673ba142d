"""Find whole documents that lead from given modalities to given kinds, among the module types that are installed.

composer suggest --from video,text --to text
composer suggest --from image,text --to scores --using mplug2 --pick 2 --out retrieval.yaml
composer suggest --from image,text --to text --objective --out trainable.yaml
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from composer.cli.options import add_json
from composer.cli.output import print_document, print_json, remark, say
from composer.cli.readers import positive

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="given",
        metavar="MODALITY,...",
        type=_words,
        required=True,
        help="modalities of the inputs; one that is named twice is two inputs",
    )
    parser.add_argument(
        "--to", dest="wanted", metavar="KIND,...", type=_words, required=True, help="kinds of what is written"
    )
    parser.add_argument(
        "--using",
        metavar="NAME,...",
        type=_words,
        action="extend",
        default=[],
        help="plugins whose module types alone may be used, and module types that have to be used (default: all, none)",
    )
    parser.add_argument(
        "--most", metavar="N", type=positive, default=5, help="how many are shown (default: 5)"
    )
    order = parser.add_mutually_exclusive_group()
    order.add_argument(
        "--cost", action="store_true", help="the fewest parameters first, whatever else they have in common"
    )
    order.add_argument(
        "--quick",
        action="store_true",
        help="by their modules alone: no parameters are counted, without torch",
    )
    parser.add_argument(
        "--objective",
        action="store_true",
        help="only what can be trained: every document with an `objective`, and an `evaluation` where its kind has one",
    )
    parser.add_argument(
        "--pick", metavar="K", type=positive, help="print the K-th as a document (with --out: write it)"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write the first, or the one of --pick, to a new file"
    )
    add_json(parser, "what is found, with the documents")


def run(args: argparse.Namespace) -> int:
    from composer.problems import InputError
    from composer.progress import Progress
    from composer.views.proposing import proposals_text, propose

    if args.out is not None:
        from composer.cli.scaffold import refuse_existing

        if args.out.suffix not in {".yaml", ".yml"}:
            raise InputError(f"{args.out} is not a name for a document: end it with .yaml")
        refuse_existing(args.out)
    pick = args.pick or 1
    progress = Progress()
    progress.begin("flow", None, 0)
    try:
        found = propose(
            args.given,
            args.wanted,
            using=args.using,
            most=max(args.most, pick),
            counted=not args.quick,
            objectives=args.objective,
            told=lambda looked_at: progress.reach(looked_at, lambda: f"{looked_at:,} flows looked at"),
        )
    finally:
        progress.close()
    if args.cost:
        found = found.by_parameters()
    if pick > len(found.found):
        raise InputError(f"there is no proposal {pick}: {len(found.found)} were found")
    chosen = found.found[pick - 1]
    if args.json:
        print_json(found.as_json(), indent=1)
    elif args.pick is None:
        say(proposals_text(found, by_parameters=args.cost))
    elif args.out is None:
        print_document(chosen.text(chosen.document.task))
    if args.out is not None:
        from composer.cli.scaffold import write_new

        write_new(args.out, chosen.text(args.out.stem))
        written = shlex.quote(str(args.out))
        remark(f"wrote {args.out}\nnext: composer check {written}\n      composer show {written}")
    return 0


def _words(text: str) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise argparse.ArgumentTypeError(f"{text!r}: write names, separated by commas")
    return words
