"""A language model of 135 million parameters beside transformers' `generate`: same weights, same ids."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

import composer
from benchmarks.measuring import Row, interleaved, on_threads, ratio

__all__ = ["SMOLLM2", "TINY", "beside_generate", "language_model", "measure", "write_language_model"]

SMOLLM2 = {
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
    "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0},
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
TINY = {**SMOLLM2, "vocab_size": 512, "num_hidden_layers": 2}
MARKS = ("<unk>", "<s>", "</s>")
DOCUMENT = """\
composer: 1
name: language
modules:
  lm: {uses: transformers.causal_lm, with: {folder: model}, weights: model}
tasks:
"""
TASK = """\
  {name}:
    inputs: {{text: {{modality: prompt, for: lm, with: {{template: "{{text}}", frame: none, max_tokens: 512}}}}}}
    nodes:
      words: {{call: lm.embed, inputs: {{tokens: text.tokens}}}}
      reply: {{generate: lm, inputs: {{prompt: words}}, with: {{min_tokens: {tokens}, max_tokens: {tokens}{search}}}}}
    outputs: {{ids: reply.ids}}
    compile: {{ranges: {{batch: "1..8, best 1", text.length: "1..512, best 16"}}}}
"""
LONG = 15.0
"""Seconds of a run of `generate` that is measured once: what is long is disturbed less."""
BEAMS = ", search: {uses: core.beam, with: {beams: 5, length_penalty: 1.0}}"


def measure(*, quick: bool) -> Iterator[Row]:
    """Random weights of SmolLM2-135M's sizes in float32, on two threads, live; each row as it is measured."""
    with language_model(quick=quick) as (folder, theirs):
        ours = {"live": composer.load(folder / "language.yaml")}
        for prompt in _prompt_lengths(quick):
            yield _first_token(theirs, ours, prompt, quick)
        yield from beside_generate(theirs, ours, quick=quick)
        weights = sum(parameter.numel() * parameter.element_size() for parameter in theirs.parameters())
        bandwidth = _bandwidth()
        note = f"{weights / 1e6:.0f} MB of weights at {bandwidth / 1e9:.1f} GB/s of reading"
        yield Row("the most tokens per second of one text", bandwidth / weights, "tokens/s", note=note)


@contextmanager
def language_model(*, quick: bool) -> Iterator[tuple[Path, Any]]:
    """A folder with `language.yaml` and its model beside it, and the same model of transformers; on two threads."""
    torch.manual_seed(0)
    with on_threads(2), TemporaryDirectory() as name:
        yield Path(name), write_language_model(Path(name), TINY if quick else SMOLLM2, _tokens(quick))


def beside_generate(theirs: Any, ours: Mapping[str, Any], *, quick: bool) -> Iterator[Row]:
    """Tokens per second of what answers, beside transformers' `generate`: searches, batches, prompts."""
    for search, beams in (("greedy", 1), ("beam", 5)):
        for batch in (1, 2) if quick else (1, 8):
            for prompt in _prompt_lengths(quick):
                yield from _compared(theirs, ours, search, beams, batch, prompt, quick)


def _prompt_lengths(quick: bool) -> tuple[int, ...]:
    return (16,) if quick else (16, 512)


def _tokens(quick: bool) -> int:
    return 3 if quick else 24


def write_language_model(folder: Path, config: Mapping[str, Any], tokens: int) -> Any:
    """The folder of a model with random weights, and the document beside it; the library's model."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(LlamaConfig(**config, initializer_range=0.1)).eval()
    model.save_pretrained(folder / "model")
    words = {mark: number for number, mark in enumerate(MARKS)}
    words |= {f"w{number}": number for number in range(len(MARKS), config["vocab_size"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(mark) for mark in MARKS])
    tokenizer.save(str(folder / "model" / "tokenizer.json"))
    tasks = [("greedy", tokens, ""), ("beam", tokens, BEAMS), ("first", 1, "")]
    text = "".join(TASK.format(name=name, tokens=count, search=search) for name, count, search in tasks)
    (folder / "language.yaml").write_text(DOCUMENT + text)
    return model


def _prompts(theirs: Any, batch: int, length: int) -> tuple[list[str], torch.Tensor]:
    ids = torch.randint(len(MARKS), theirs.config.vocab_size, (batch, length))
    return [" ".join(f"w{index}" for index in row) for row in ids.tolist()], ids


def _generate(theirs: Any, ids: torch.Tensor, tokens: int, beams: int) -> Callable[[], torch.Tensor]:
    given = {"attention_mask": torch.ones_like(ids), "do_sample": False, "num_beams": beams}

    @torch.inference_mode()
    def run() -> torch.Tensor:
        found = theirs.generate(ids, min_new_tokens=tokens, max_new_tokens=tokens, **given)
        return found[:, ids.shape[1] :]

    return run


def _compared(
    theirs: Any,
    ours: Mapping[str, Any],
    search: str,
    beams: int,
    batch: int,
    prompt: int,
    quick: bool,
) -> list[Row]:
    tokens = _tokens(quick)
    texts, ids = _prompts(theirs, batch, prompt)
    runs: dict[str, Callable[[], Any]] = {"generate": _generate(theirs, ids, tokens, beams)}
    for name, model in ours.items():
        runs[name] = partial(_answer, model, search, texts)
    began = time.perf_counter()
    wanted = runs["generate"]()
    rounds = 1 if quick or time.perf_counter() - began > LONG else 3
    same = {name: torch.equal(runs[name]()[:, 1 : tokens + 1], wanted) for name in ours}
    times = interleaved(runs, rounds, time.perf_counter)
    speed = {name: batch * tokens / statistics.median(values) for name, values in times.items()}
    what = f"SmolLM2-135M, {'greedy' if beams == 1 else f'{beams} beams'}, batch {batch}, prompt {prompt}"
    return [
        Row(
            f"{what}, {name}",
            speed[name],
            "tokens/s",
            "transformers' generate",
            speed["generate"],
            ratio(times, "generate", name),
            ">= 1.3" if name == "live" else ">= 2",
            "times faster" if same[name] else "times faster, OTHER IDS",
        )
        for name in ours
    ]


def _answer(model: Any, task: str, texts: list[str]) -> torch.Tensor:
    return torch.as_tensor(model.run(task, text=texts)["ids"])


def _first_token(theirs: Any, ours: Mapping[str, Any], prompt: int, quick: bool) -> Row:
    texts, ids = _prompts(theirs, 1, prompt)
    runs: dict[str, Callable[[], Any]] = {
        "generate": _generate(theirs, ids, 1, 1),
        "live": lambda: ours["live"].run("first", text=texts),
    }
    for run in runs.values():
        run()
    times = interleaved(runs, 1 if quick else 3, time.perf_counter)
    middle = {name: statistics.median(values) for name, values in times.items()}
    return Row(
        f"SmolLM2-135M, first token after a prompt of {prompt}",
        middle["live"],
        "s",
        "transformers' generate",
        middle["generate"],
        ratio(times, "generate", "live"),
        "",
        "times faster",
    )


def _bandwidth() -> float:
    """Bytes of memory that are read in a second."""
    many = torch.ones(64 << 20)
    many.sum()
    began = time.perf_counter()
    for _ in range(5):
        many.sum()
    return 5 * many.numel() * many.element_size() / (time.perf_counter() - began)
