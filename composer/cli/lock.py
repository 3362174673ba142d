"""Write DOC.lock: versions of the language and of plugins, and the digest of every weight file. --locked holds them.

composer lock my.yaml
composer lock my.yaml --weights trained.safetensors
"""

from __future__ import annotations

import argparse

from composer.cli.options import add_settings, add_sources, settings_of, sources_of
from composer.cli.output import remark, say

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", metavar="DOC", help="a document, or the name of one that a plugin ships")
    add_sources(parser)
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """A lock that is there is replaced when all files are found."""
    from composer.graph import check
    from composer.sources.choosing import NOTHING, choose
    from composer.sources.lock_file import lock_place, write_lock
    from composer.sources.locking import called_modules, lock_of

    report = check(args.document, settings=settings_of(args)).raise_for_errors()
    choice = choose(
        report, report.registry, **sources_of(args), needed=called_modules(report), otherwise=NOTHING
    )
    for sentence in choice.unused:
        remark(f"composer: note: {sentence}")
    lock = lock_of(report, choice, remark)
    path = lock_place(args.document, report.registry)
    write_lock(lock, path)
    files = sum(each.count for each in lock.weights)
    counts = f"{_count(files, 'weight file')}, {_count(len(lock.plugins), 'plugin')}"
    say(f"wrote {path}: {counts}")
    if choice.lacking:
        remark(f"not in it, as nothing says where their weights come from: {', '.join(choice.lacking)}")
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
