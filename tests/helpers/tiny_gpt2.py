"""A tiny GPT-2 as plain functions, for searches that are held to what transformers' `generate` wrote with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from composer_core import SEARCHES
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from composer.execution.captured_search import DecoderSearch
from composer.plugin import Framing
from composer.plugin.implementations import bind_search

FOLDER = Path(__file__).parents[1] / "golden" / "search"
VOCABULARY, WIDTH, HEADS, LAYERS, POSITIONS = 24, 16, 2, 1, 24
START, END, PAD = 1, 2, 0
POLICIES = {policy.id: policy for policy in SEARCHES}


class Prefix(NamedTuple):
    """A cache that remembers the prompt and every token, and computes all of it anew."""

    prompt: Tensor
    """[B, P, D]."""
    ids: Tensor
    """[B, K, N]."""

    @property
    def device(self) -> torch.device:
        return self.ids.device

    def reorder(self, parents: Tensor) -> Prefix:
        return self._replace(ids=self.ids.gather(1, parents.unsqueeze(-1).expand(-1, -1, self.ids.shape[2])))

    def select(self, rows: Tensor) -> Prefix:
        return Prefix(self.prompt[rows], self.ids[rows])


class TinyGpt2:
    """The scores of the next token, with the weights of the recorded model."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights
        self.steps = 0

    def step(self, ids: Tensor, cache: Prefix) -> tuple[Tensor, Prefix]:
        self.steps += 1
        cache = cache._replace(ids=torch.cat((cache.ids, ids.unsqueeze(-1)), -1))
        return self.scores(cache), cache

    def scores(self, cache: Prefix) -> Tensor:
        batch, beams, _ = cache.ids.shape
        words = self.weights["wte.weight"][cache.ids]  # [B, K, N, D]
        prompt = cache.prompt.unsqueeze(1).expand(-1, beams, -1, -1)
        hidden = torch.cat((prompt, words), 2).flatten(0, 1)
        hidden = hidden + self.weights["wpe.weight"][: hidden.shape[1]]
        for layer in range(LAYERS):
            hidden = self._block(f"h.{layer}.", hidden)
        last = self._norm("ln_f", hidden[:, -1])
        return (last @ self.weights["wte.weight"].T).reshape(batch, beams, -1)

    def _block(self, name: str, hidden: Tensor) -> Tensor:
        queries, keys, values = (
            part.unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for part in self._linear(f"{name}attn.c_attn", self._norm(f"{name}ln_1", hidden)).split(WIDTH, -1)
        )
        seen = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        hidden = hidden + self._linear(f"{name}attn.c_proj", seen.transpose(1, 2).flatten(2))
        inner = self._linear(f"{name}mlp.c_fc", self._norm(f"{name}ln_2", hidden))
        return hidden + self._linear(f"{name}mlp.c_proj", functional.gelu(inner, approximate="tanh"))

    def _linear(self, name: str, hidden: Tensor) -> Tensor:
        return hidden @ self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def _norm(self, name: str, hidden: Tensor) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.layer_norm(hidden, (WIDTH,), weight, bias, 1e-5)


def recorded() -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """The weights with the prompts, and every case that transformers answered."""
    return load_file(FOLDER / "weights.safetensors"), json.loads((FOLDER / "cases.json").read_text())


def framing_of(options: Mapping[str, Any]) -> Framing:
    return Framing(START, (END,), PAD, options.get("min_new_tokens", 0), options["max_new_tokens"])


def searched(
    weights: Mapping[str, Tensor],
    policy: str,
    options: Mapping[str, Any],
    framing: Framing,
    *,
    prompted: bool,
    seed: Any = 0,
    rows: list[int] | None = None,
) -> list[Any]:
    """The best texts that a policy finds with the tiny model: after the recorded prompts, or after the start token."""
    declared = POLICIES[policy]
    config = declared.config.model_validate(dict(options))
    bound = bind_search(
        declared, config, framing, beams=declared.beams(config), streams=declared.streams(config)
    )
    model = TinyGpt2(weights)
    prompts = weights["prompts"] if prompted else weights["prompts"][:1, :0]
    prompts = prompts if rows is None else prompts[rows]
    batch = len(prompts)
    cache = Prefix(prompts, torch.zeros(batch, bound.beams, 0, dtype=torch.int64))
    with torch.no_grad():
        first = model.scores(cache) if prompted else None
        found = DecoderSearch(bound, model, captures=False).find(cache, batch, seed, first=first)
    return [texts[0] for texts in found]
