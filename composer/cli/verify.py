"""Run an artifact's recorded samples on this machine; print differences from the recorded results, and latency.

composer verify dist/quickstart
"""

from __future__ import annotations

import argparse

from composer.cli.options import add_device, add_json, add_threads, use_threads
from composer.cli.output import print_json, say

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifact", metavar="ARTIFACT", help="a directory or zip that `composer compile` wrote"
    )
    add_device(parser)
    add_threads(parser)
    add_json(parser, "the findings")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 where a task differs by more than its tolerance, or lacks a plugin and cannot run."""
    use_threads(args)
    from composer_compile import load
    from composer_compile.parity.records import verify_samples

    with load(args.artifact, device=args.device) as artifact:
        verified = verify_samples(artifact)
    if args.json:
        rows = [
            {
                "task": each.task,
                "passed": each.passed,
                "lacking": each.lacking,
                "first_ms": round(each.first_ms, 3),
                "median_ms": round(each.median_ms, 3),
                "differences": [found.model_dump(mode="json") for found in each.differences],
            }
            for each in verified
        ]
        print_json(rows, indent=1)
    else:
        for each in verified:
            if each.lacking is not None:
                say(f"{each.task}: NOT RUN, it needs {each.lacking}")
                continue
            verdict = "ok" if each.passed else "DIFFERS"
            say(f"{each.task}: {verdict}, first answer {each.first_ms:.0f} ms, then {each.median_ms:.1f} ms")
            for found in each.differences:
                same = "" if found.ids is None else f", ids {'the same' if found.ids == 1 else 'different'}"
                sizes = "".join(f", {name} {size}" for name, size in found.sizes.items())
                say(f"  {found.output:<24} largest difference {found.max_abs:.2g}{same}{sizes}")
    return 0 if all(each.passed for each in verified) else 1
