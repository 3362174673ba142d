"""A language model of 135 million parameters beside transformers' `generate`: same weights, same ids."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.nn.functional import linear as torch_linear

import composer
from benchmarks.measuring import Row, interleaved, on_threads, ratio
from composer.execution import linear

__all__ = [
    "SMOLLM2",
    "TINY",
    "beside_generate",
    "first_tokens",
    "language_model",
    "measure",
    "write_language_model",
]

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


@dataclass(frozen=True)
class _Cell:
    """What is asked: so many texts of so many tokens each, to be gone on with by so many tokens."""

    beams: int
    batch: int
    prompt: int
    tokens: int

    def __str__(self) -> str:
        search = "greedy" if self.beams == 1 else f"{self.beams} beams"
        return f"SmolLM2-135M, {search}, batch {self.batch}, prompt {self.prompt}"


@dataclass(frozen=True)
class _Limit:
    """What no program can pass: every step reads all weights once, and multiplies by them once for every token."""

    size: int
    """Bytes of all weights."""
    weights: int
    layers: int
    """Those of the layers: a prompt needs the words' matrix for its last token alone."""
    bytes_per_second: float
    operations_per_second: float

    @classmethod
    @torch.inference_mode()
    def of(cls, theirs: Any) -> _Limit:
        """By what this machine reads and multiplies now, in matrices of the model's sizes, by the faster library."""
        counts = [parameter.numel() for parameter in theirs.parameters()]
        words = theirs.get_input_embeddings().weight
        many, rows = torch.ones(64 << 20), torch.ones(512, words.shape[1])
        matrix = torch.ones(theirs.config.intermediate_size, words.shape[1])
        operations = 2 * rows.numel() * matrix.shape[0]
        return cls(
            sum(counts) * words.element_size(),
            sum(counts),
            sum(counts) - words.numel(),
            many.numel() * many.element_size() / _least_seconds(many.sum),
            operations / min(_least_seconds(partial(each, rows, matrix)) for each in (torch_linear, linear)),
        )

    def seconds(self, cell: _Cell) -> float:
        """The least that an answer takes. Attention is not counted."""
        read = self.size / self.bytes_per_second
        prompt = 2 * self.layers * cell.batch * cell.prompt / self.operations_per_second
        step = 2 * self.weights * cell.batch * cell.beams / self.operations_per_second
        return max(read, prompt) + (cell.tokens - 1) * max(read, step)


def _least_seconds(run: Callable[[], object], times: int = 10) -> float:
    """Of several runs, after one that is not counted."""
    run()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return min(found)


def measure(*, quick: bool) -> Iterator[Row]:
    """Random weights of SmolLM2-135M's sizes in float32, on two threads, live; each row as it is measured."""
    with language_model(quick=quick) as (folder, theirs):
        ours = {"live": composer.load(folder / "language.yaml")}
        yield from first_tokens(theirs, ours, quick=quick)
        yield from beside_generate(theirs, ours, quick=quick)


@contextmanager
def language_model(*, quick: bool) -> Iterator[tuple[Path, Any]]:
    """A folder with `language.yaml` and its model beside it, and the same model of transformers; on two threads."""
    torch.manual_seed(0)
    with on_threads(2), TemporaryDirectory() as name:
        yield Path(name), write_language_model(Path(name), TINY if quick else SMOLLM2, _tokens(quick))


def beside_generate(theirs: Any, ours: Mapping[str, Any], *, quick: bool) -> Iterator[Row]:
    """Tokens per second of what answers, beside transformers' `generate`: numbers of beams, batches, prompts."""
    limit = _Limit.of(theirs)
    for beams in (1, 5):
        for batch in (1, 2) if quick else (1, 8):
            for prompt in _prompt_lengths(quick):
                yield from _compared(theirs, ours, _Cell(beams, batch, prompt, _tokens(quick)), limit)
    yield Row(
        "reading weights", limit.bytes_per_second / 1e9, "GB/s", note=f"{limit.size / 1e6:.0f} MB of weights"
    )
    yield Row("products of its matrices", limit.operations_per_second / 1e9, "GFLOP/s")


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


def _compared(theirs: Any, ours: Mapping[str, Any], cell: _Cell, limit: _Limit) -> list[Row]:
    texts, ids = _prompts(theirs, cell.batch, cell.prompt)
    runs: dict[str, Callable[[], Any]] = {"generate": _generate(theirs, ids, cell.tokens, cell.beams)}
    for name, model in ours.items():
        runs[name] = partial(_answer, model, "greedy" if cell.beams == 1 else "beam", texts)
    began = time.perf_counter()
    wanted = runs["generate"]()
    rounds = 1 if time.perf_counter() - began > LONG else 3
    same = {name: torch.equal(runs[name]()[:, 1 : cell.tokens + 1], wanted) for name in ours}
    times = interleaved(runs, rounds, time.perf_counter)
    middle = {name: statistics.median(values) for name, values in times.items()}
    made = cell.batch * cell.tokens
    return [
        Row(
            f"{cell}, {name}",
            made / middle[name],
            "tokens/s",
            "transformers' generate",
            made / middle["generate"],
            ratio(times, "generate", name),
            ">= 1.3" if name == "live" else ">= 2",
            f"times faster{'' if same[name] else ', OTHER IDS'}; {limit.seconds(cell) / middle[name]:.2f} of the limit",
        )
        for name in ours
    ]


def _answer(model: Any, task: str, texts: list[str]) -> torch.Tensor:
    return torch.as_tensor(model.run(task, text=texts)["ids"])


def first_tokens(theirs: Any, ours: Mapping[str, Any], *, quick: bool) -> Iterator[Row]:
    """Seconds until the first token of what answers, beside transformers' `generate`: prompts of one text."""
    for prompt in _prompt_lengths(quick):
        texts, ids = _prompts(theirs, 1, prompt)
        runs: dict[str, Callable[[], Any]] = {"generate": _generate(theirs, ids, 1, 1)}
        for name, model in ours.items():
            runs[name] = partial(_answer, model, "first", texts)
        for run in runs.values():
            run()
        times = interleaved(runs, 1 if quick else 3, time.perf_counter)
        middle = {name: statistics.median(values) for name, values in times.items()}
        for name in ours:
            yield Row(
                f"SmolLM2-135M, first token after a prompt of {prompt}, {name}",
                middle[name],
                "s",
                "transformers' generate",
                middle["generate"],
                ratio(times, "generate", name),
                "",
                "times faster",
            )
