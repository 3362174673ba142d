"""The artifact of inductor of a language model of 135 million parameters, beside transformers' `generate`."""

from __future__ import annotations

import time
from collections.abc import Iterator

import composer_compile

from benchmarks.language import beside_generate, first_tokens, language_model
from benchmarks.measuring import Row

__all__ = ["measure"]


def measure(*, quick: bool) -> Iterator[Row]:
    """Random weights of SmolLM2-135M's sizes in float32, on two threads; `quick` compiles by export."""
    with language_model(quick=quick) as (folder, theirs):
        options = composer_compile.Options(backend="export" if quick else "inductor")
        began = time.perf_counter()
        composer_compile.compile_document(folder / "language.yaml", folder / "artifact", options=options)
        yield Row("SmolLM2-135M, three tasks, compiling them", time.perf_counter() - began, "s")
        with composer_compile.load(folder / "artifact") as artifact:
            ours = {"the artifact of inductor": artifact}
            yield from first_tokens(theirs, ours, quick=quick)
            yield from beside_generate(theirs, ours, quick=quick)
