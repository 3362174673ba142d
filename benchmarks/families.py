"""What a module adds to the library's own model of each family: a forward pass of both, in turns, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import torch

from benchmarks.measuring import Row, interleaved, on_threads, ratio
from composer.plugin import Registry, load_registry
from composer.plugin.asking import import_object
from composer.types import States, Tokens

__all__ = ["measure"]

LENGTH = 64
"""Tokens of a text."""
_LAYERS = {"hidden_size": 576, "num_hidden_layers": 6, "num_attention_heads": 9, "vocab_size": 4096}
_GROUPED = {**_LAYERS, "num_key_value_heads": 3, "intermediate_size": 1536, "max_position_embeddings": 512}
CAUSAL: dict[str, dict[str, Any]] = {
    "llama": _GROUPED,
    "qwen2": _GROUPED,
    "qwen3": {**_GROUPED, "head_dim": 64},
    "mistral": {**_GROUPED, "head_dim": 64},
    "gemma3": {**_GROUPED, "head_dim": 64},
    "gpt2": {
        "n_embd": 576,
        "n_layer": 6,
        "n_head": 9,
        "vocab_size": 4096,
        "n_positions": 512,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
}
"""Decoder-only models of a few layers; encoders have the library's own sizes, but for these."""
SMALLER: dict[str, dict[str, Any]] = {
    "whisper": {"max_source_positions": 250},
    "ast": {"max_length": 256},
    "videomae": {"num_frames": 4},
    "deberta-v2": {
        "hidden_size": 768,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
}
TIMM = ("vit_small_patch16_224", "resnet50")
Run = Callable[[], Any]
Pair = tuple[str, Run, Run]


def measure(*, quick: bool) -> Iterator[Row]:
    """Medians over turns; the ratio is that of two turns that follow each other. Weights are the initial ones."""
    registry = load_registry()
    rounds = 2 if quick else 25
    with on_threads(1), torch.inference_mode():
        for make in (_encoders, _causal, _timm):
            for name, ours, theirs in make(registry, quick):
                for run in (ours, theirs, ours, theirs):
                    run()
                times = interleaved({"ours": ours, "library": theirs}, rounds)
                value, beside = (median(times[each]) * 1e3 for each in ("ours", "library"))
                found = ratio(times, "ours", "library")
                yield Row(f"{name}, forward", value, "ms", "the library by hand", beside, found, "<= 1.01")


def _encoders(registry: Registry, quick: bool) -> Iterator[Pair]:
    import transformers

    for sort in ("text", "vision", "audio"):
        entry = registry.module_types[f"transformers.{sort}_encoder"]
        for example in entry.examples:
            family = str(example["family"])
            sizes = example["config"] if quick else SMALLER.get(family, {})
            config: Any = entry.config.model_validate({"family": family, "config": sizes})
            made = getattr(transformers, config.row.config_class)(**config.values)
            library = getattr(transformers, config.row.model_class)(made).eval()
            module = import_object(entry.builder, entry.title)(config).eval()
            _share(module, library)
            ports = entry.methods["forward"].signature(config).inputs
            yield f"{family} ({sort})", *_calls(sort, family, module, library, ports)


def _share(module: torch.nn.Module, library: torch.nn.Module) -> None:
    """Have the library's model read the module's weights: others, or the same elsewhere, take another time."""
    own = module.state_dict()
    found = {}
    for key, value in library.state_dict().items():
        names = [name for name in own if f".{name}".endswith(f".{key}")]
        ours = own[min(names, key=len)] if names else None
        if ours is not None and ours.shape == value.shape:
            found[key] = ours
    library.load_state_dict(found, strict=False, assign=True)
    left = {name for name, tensor in own.items() if not any(tensor is each for each in found.values())}
    if left:
        raise RuntimeError(f"the library's model has no weights {', '.join(sorted(left)[:3])} of the module")


def _calls(sort: str, family: str, module: Any, library: Any, ports: Any) -> tuple[Run, Run]:
    """Both models on the same input, each as it wants it."""
    if sort == "text":
        ids = torch.randint(3, 100, (1, 8 if library.config.hidden_size < 100 else LENGTH))
        mask = torch.ones_like(ids)
        return (lambda: module(tokens=Tokens(ids, mask))), (
            lambda: library(input_ids=ids, attention_mask=mask)
        )
    if family == "wav2vec2":
        sound = torch.randn(1, 400 if library.config.hidden_size < 100 else 16_000)
        seen = torch.ones_like(sound, dtype=torch.int64)
        return (lambda: module(waveform=States(sound, seen))), (
            lambda: library(input_values=sound, attention_mask=seen)
        )
    (port,) = ports.values()
    values = torch.randn(1, *(int(str(dim)) for dim in port.type.dims[1:]))
    if sort == "vision":
        frames = values.transpose(1, 2) if family == "videomae" else values[:, :, 0]
        return (lambda: module(pixels=values)), (lambda: library(pixel_values=frames))
    if family == "whisper":
        bins = values.transpose(1, 2)
        return (lambda: module(mels=States(values))), (lambda: library.encoder(input_features=bins))
    return (lambda: module(mels=States(values))), (lambda: library(input_values=values))


def _causal(registry: Registry, quick: bool) -> Iterator[Pair]:
    import transformers

    entry = registry.module_types["transformers.causal_lm"]
    for example in entry.examples:
        family = str(example["family"])
        if family not in CAUSAL:  # the library has it as a part of a larger model alone
            continue
        sizes = example["config"] if quick else CAUSAL[family]
        config: Any = entry.config.model_validate(
            {"family": family, "config": sizes, "tokenizer": "bert-uncased"}
        )
        made = getattr(transformers, config.row.config_class)(**sizes)
        library = getattr(transformers, config.row.whole_class)(made).eval()
        module = import_object(entry.builder, entry.title)(config).eval()
        _share(module, library)
        ids = torch.randint(3, 100, (1, 8 if quick else LENGTH))
        read = _reading(module, library, ids)
        yield f"{family} (decoder-only)", *read


def _reading(module: Any, library: Any, ids: Any) -> tuple[Run, Run]:
    mask = torch.ones_like(ids)
    return (lambda: module(tokens=Tokens(ids, mask))), (
        lambda: library(input_ids=ids, attention_mask=mask, use_cache=False)
    )


def _timm(registry: Registry, quick: bool) -> Iterator[Pair]:
    import timm

    entry = registry.module_types["timm.backbone"]
    for name in ("test_vit",) if quick else TIMM:
        config: Any = entry.config.model_validate({"model": name, "features": "tokens"})
        module = import_object(entry.builder, entry.title)(config).eval()
        library: Any = timm.create_model(name).eval()
        _share(module, library)
        size = int(library.default_cfg["input_size"][-1])
        yield f"{name} (timm)", *_seeing(module, library, torch.randn(1, 3, 1, size, size))


def _seeing(module: Any, library: Any, pixels: Any) -> tuple[Run, Run]:
    return (lambda: module(pixels=pixels)), (lambda: library.forward_features(pixels[:, :, 0]))
