"""Encoders with decoders: transformers' own layers, with our cache, our masks and our step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from composer.plugin.masks import from_front, to_front
from composer.problems import InputError
from composer.types import States, Tokens
from composer_transformers.causal_attention import ATTENTION, register_attention
from composer_transformers.finite_states import taken_as_finite
from composer_transformers.library_model import library_model
from composer_transformers.seq2seq_attention import ReadingText, Teaching, Writing
from composer_transformers.seq2seq_cache import Seq2SeqCache, handed
from composer_transformers.seq2seq_config import Seq2SeqConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Seq2Seq", "build_seq2seq"]


@dataclass(frozen=True)
class _Family:
    """How the layers of a decoder are asked one by one, which the library's families do each in their own way."""

    inside: str
    """The submodule that holds `encoder` and `decoder`; "" for the model itself."""
    cross: Callable[[Any], Iterator[tuple[nn.Module, nn.Module, int]]]
    """Of each layer of a decoder what makes keys and values of the memory, and its number of heads."""
    layers: Callable[[Any, Tensor, Seq2SeqCache, Writing], Tensor]
    """ids[B, K] through the layers of a decoder → [B, K, D]."""
    head: str = "lm_head"
    """The submodule that makes scores of states."""


class Seq2Seq(nn.Module):
    """tokens[B, N], or frames of sound, → a memory, of which a decoder writes.

    Its parameters have the names of published checkpoints.
    """

    def __init__(self, *, whole: PreTrainedModel, family: _Family, start: int, positions: int) -> None:
        super().__init__()
        self.family = family
        for name, child in whole.named_children():
            setattr(self, name, child)
        for name, buffer in whole.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        self.start_id = start
        self.positions = positions
        self.scale = (
            whole.config.d_model**-0.5 if getattr(whole.config, "scale_decoder_outputs", False) else 1.0
        )

    def encode(self, *, tokens: Tokens | None = None, mels: States | None = None) -> States:
        """tokens[B, N] → states[B, N, D]; of a family that hears, mels[B, T, M] → states[B, T / 2, D]."""
        if tokens is None:
            assert mels is not None
            found = self._inside().encoder(mels.values.transpose(1, 2), attending=ReadingText(None))
            return States(found.last_hidden_state)
        ids, mask = (to_front(each, tokens.mask) for each in tokens)
        encoder = self._inside().encoder
        with taken_as_finite(encoder):
            found = encoder(input_ids=ids, attending=ReadingText(mask))
        return States(from_front(found.last_hidden_state, tokens.mask), tokens.mask)

    def teach(self, *, memory: States, reply: Tokens) -> Tensor:
        """memory[B, N, D] and reply[B, L] → logits[B, L, V]; logits at i score the token at i of the reply."""
        ids = to_front(reply.ids, reply.mask)
        before = torch.cat((torch.full_like(ids[:, :1], self.start_id), ids[:, :-1]), 1)
        found = self._inside().decoder(
            input_ids=before,
            encoder_hidden_states=memory.values,
            use_cache=False,
            attending=Teaching(memory.mask),
        )
        return self._head(from_front(found.last_hidden_state, reply.mask))

    def start(self, *, memory: States, beams: int, max_tokens: int) -> Seq2SeqCache:
        """The cache before the first token; keys and values of the memory are made here, once.

        Raises:
            InputError: there are more tokens than the decoder knows positions.
        """
        if max_tokens > self.positions:
            raise InputError(
                f"max_tokens {max_tokens} is beyond the {self.positions} positions of the decoder; lower it"
            )
        layers = [
            torch.stack([_split(part(memory.values), heads) for part in (key, value)])
            for key, value, heads in self.family.cross(self._inside().decoder)
        ]
        kept = torch.stack(layers)  # [layers, 2, B, heads, N, d]
        count, _, batch, heads, _, dim = kept.shape
        past = kept.new_zeros(count, 2, batch, beams, heads, max_tokens, dim)
        ones = torch.ones(memory.values.shape[:2], dtype=torch.int64, device=kept.device)
        seen = ones if memory.mask is None else memory.mask
        length = torch.zeros(1, dtype=torch.int64, device=kept.device)
        return Seq2SeqCache(kept, seen, past, length)

    def step(self, ids: Tensor, cache: Seq2SeqCache) -> tuple[Tensor, Seq2SeqCache]:
        """ids[B, K], the last token of every beam → logits[B, K, V] of the next, and the cache with this one in it."""
        writing = Writing(cache.past, seen=cache.seen, length=cache.length)
        hidden = self.family.layers(self._inside().decoder, ids, cache, writing)
        written = torch.stack(writing.kept).unsqueeze(5)  # [layers, 2, B, K, heads, 1, d]
        past = cache.past.index_copy(5, cache.length, written)
        return self._head(hidden), Seq2SeqCache(cache.memory, cache.seen, past, cache.length + 1)

    def _inside(self) -> Any:
        """What holds `encoder` and `decoder`."""
        return self.get_submodule(self.family.inside)

    def _head(self, hidden: Tensor) -> Tensor:
        head: nn.Linear = self.get_submodule(self.family.head)  # type: ignore[assignment]
        logits: Tensor = head(hidden * self.scale if self.scale != 1.0 else hidden)
        bias = self._buffers.get("final_logits_bias")
        return logits if bias is None else logits + bias


def _t5_cross(decoder: Any) -> Iterator[tuple[nn.Module, nn.Module, int]]:
    for block in decoder.block:
        attention = block.layer[1].EncDecAttention
        yield attention.k, attention.v, attention.n_heads


def _t5_layers(decoder: Any, ids: Tensor, cache: Seq2SeqCache, writing: Writing) -> Tensor:
    """With relative positions, which are added to scores."""
    hidden = decoder.embed_tokens(ids)
    own = decoder.block[0].layer[0].SelfAttention
    places = torch.arange(cache.past.shape[5], device=ids.device) - cache.length
    away = torch.cat((places, torch.zeros_like(cache.length)))  # the last place is the token itself
    buckets = own._relative_position_bucket(
        away,
        bidirectional=False,
        num_buckets=own.relative_attention_num_buckets,
        max_distance=own.relative_attention_max_distance,
    )
    bias = own.relative_attention_bias(buckets).T[:, None]  # [heads, 1, M + 1]
    given = handed(cache.memory)
    for block in decoder.block:
        hidden = block(
            hidden,
            position_bias=bias,
            encoder_hidden_states=hidden,
            encoder_decoder_position_bias=bias,  # not looked at, and not made for every layer
            past_key_values=given,
            attending=writing,
        )[0]
    found: Tensor = decoder.final_layer_norm(hidden)
    return found


def _bart_cross(decoder: Any) -> Iterator[tuple[nn.Module, nn.Module, int]]:
    for layer in decoder.layers:
        yield layer.encoder_attn.k_proj, layer.encoder_attn.v_proj, layer.encoder_attn.num_heads


def _bart_layers(decoder: Any, ids: Tensor, cache: Seq2SeqCache, writing: Writing) -> Tensor:
    """With a table of positions; Marian's is one of sines."""
    hidden = decoder.embed_tokens(ids) * getattr(decoder, "embed_scale", 1.0)
    hidden = hidden + decoder.embed_positions(ids, position_ids=cache.length)
    if hasattr(decoder, "layernorm_embedding"):
        hidden = decoder.layernorm_embedding(hidden)
    given = handed(cache.memory)
    for layer in decoder.layers:
        hidden = layer(hidden, encoder_hidden_states=hidden, past_key_values=given, attending=writing)
    found: Tensor = hidden
    return found


def _whisper_layers(decoder: Any, ids: Tensor, cache: Seq2SeqCache, writing: Writing) -> Tensor:
    hidden = decoder.embed_tokens(ids) + decoder.embed_positions(ids, position_ids=cache.length)
    given = handed(cache.memory)
    for layer in decoder.layers:
        hidden = layer(hidden, encoder_hidden_states=hidden, past_key_values=given, attending=writing)
    found: Tensor = decoder.layer_norm(hidden)
    return found


def _split(projected: Tensor, heads: int) -> Tensor:
    """[B, N, heads * d] → [B, heads, N, d]."""
    return projected.unflatten(-1, (heads, -1)).transpose(1, 2)


_T5 = _Family("", _t5_cross, _t5_layers)
_BART = _Family("model", _bart_cross, _bart_layers)
_WHISPER = _Family("model", _bart_cross, _whisper_layers, "proj_out")
_FAMILIES = {"t5": _T5, "bart": _BART, "marian": _BART, "whisper": _WHISPER}


def build_seq2seq(config: Seq2SeqConfig) -> Seq2Seq:
    register_attention()
    row = config.row
    whole = library_model(row.whole_class, row.config_class, config.values, attention=ATTENTION)
    whole.tie_weights()
    return Seq2Seq(
        whole=whole,
        family=_FAMILIES[row.name],
        start=config.ids["start"],
        positions=config.facts.positions,
    )
