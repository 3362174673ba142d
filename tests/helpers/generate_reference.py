"""What transformers' `generate` writes with a tiny random GPT-2: run this to record it anew for the tests of searches.

python tests/helpers/generate_reference.py
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from drawing import drawing
from safetensors.torch import save_file
from tiny_gpt2 import END, FOLDER, HEADS, LAYERS, PAD, POSITIONS, START, VOCABULARY, WIDTH
from torch import Tensor

SEEDS = [5, 6, 7]
RULES: list[dict[str, Any]] = [
    {},
    {"repetition_penalty": 1.7},
    {"repetition_penalty": 0.6},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 3, "repetition_penalty": 1.2},
    {"bad_words_ids": [[4], [20]]},
    {"bad_words_ids": [[4, 4], [6, 22], [20, 1, 3], [21, 11], [19]]},
    {"min_new_tokens": 6},
    {"forced_eos_token_id": END},
    {"min_new_tokens": 3, "repetition_penalty": 2.5, "no_repeat_ngram_size": 2, "forced_eos_token_id": 7},
]
BEAMS: list[dict[str, Any]] = [
    {"length_penalty": 0.0},
    {"length_penalty": 1.0},
    {"length_penalty": 2.0, "early_stopping": True},
    {"length_penalty": -1.0},
    {"length_penalty": 1.0, "early_stopping": "never"},
    {"length_penalty": 0.7, "early_stopping": "never", "repetition_penalty": 1.4},
    {"length_penalty": 0.0, "early_stopping": True, "no_repeat_ngram_size": 2},
]
DRAWS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.5},
    {"temperature": 1.8, "top_k": 4},
    {"top_p": 0.7},
    {"min_p": 0.2},
    {"temperature": 1.3, "top_k": 9, "top_p": 0.9, "min_p": 0.03, "repetition_penalty": 1.3},
    {"top_k": 3, "min_new_tokens": 5, "bad_words_ids": [[4], [22, 20]]},
]


def asked() -> Iterator[dict[str, Any]]:
    """The options of each case, as `generate` calls them."""
    for prompted in (False, True):
        length = {"max_new_tokens": 12}
        for rules in RULES:
            yield {"prompted": prompted, "options": {**length, **rules}}
            for beams in (2, 4):
                yield {
                    "prompted": prompted,
                    "options": {**length, "num_beams": beams, "length_penalty": 0.0, **rules},
                }
        for scored in BEAMS:
            yield {"prompted": prompted, "options": {**length, "num_beams": 4, **scored}}
        for drawn in DRAWS:
            yield {"prompted": prompted, "options": {**length, "do_sample": True, **drawn}}
    yield {"prompted": False, "options": {"max_new_tokens": 8, "forced_bos_token_id": 9}}
    yield {"prompted": False, "options": {"max_new_tokens": 8, "forced_bos_token_id": 9, "num_beams": 3}}


def tiny_model(seed: int = 2) -> Any:
    """A random GPT-2 whose scores are far enough apart for rules to matter."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=POSITIONS,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        bos_token_id=START,
        eos_token_id=END,
        pad_token_id=PAD,
        initializer_range=0.3,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        model.transformer.wpe.weight.mul_(4)  # texts then wander
        model.transformer.wte.weight[END].mul_(1.3)  # and end
    return model


def tiny_weights(model: Any) -> dict[str, Tensor]:
    """The tensors of the model, and three prompts."""
    weights = {name: tensor.detach().clone() for name, tensor in model.transformer.state_dict().items()}
    generator = torch.Generator().manual_seed(8)
    prompts = torch.randn(len(SEEDS), 3, WIDTH, generator=generator)
    return {**weights, "prompts": prompts}


def answered(model: Any, weights: dict[str, Tensor], case: dict[str, Any]) -> list[list[int]]:
    """The ids that `generate` writes behind the start or the prompt, up to and with the end."""
    options = {"do_sample": False, "top_k": 0, **case["options"]}
    if case["prompted"]:
        given = {
            "inputs_embeds": weights["prompts"],
            "attention_mask": torch.ones(weights["prompts"].shape[:2]),
        }
    else:
        given = {"input_ids": torch.tensor([[START]]), "attention_mask": torch.ones(1, 1)}
    with warnings.catch_warnings(), drawing(SEEDS):
        warnings.simplefilter("ignore")
        found = model.generate(**given, **options)
    rows = found.tolist() if case["prompted"] else found[:, 1:].tolist()
    return [row[: row.index(END) + 1] if END in row else row for row in rows]


def record() -> None:
    model = tiny_model()
    weights = tiny_weights(model)
    FOLDER.mkdir(exist_ok=True)
    cases = [{**case, "ids": answered(model, weights, case)} for case in asked()]
    save_file(weights, FOLDER / "weights.safetensors")
    lines = ",\n".join(json.dumps(case) for case in cases)
    (FOLDER / "cases.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    record()
