"""The text decoder: causal BERT blocks that read a memory; a forward for whole texts, a step for generation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from composer.plugin.masks import places_from_first
from composer.problems import InputError
from composer.types import States, Tokens
from composer_mplug2.attention import KeyValues
from composer_mplug2.bert import BertEmbeddings, blocks_of, initialise
from composer_mplug2.cache import DecoderCache
from composer_mplug2.configs import BoxTokensConfig, DecoderConfig
from composer_mplug2.grounding import ground
from composer_mplug2.lm_head import TiedHead
from composer_mplug2.masks import causal_mask, cross_mask, joined_mask, self_mask
from composer_mplug2.ranking import rank_candidates
from composer_mplug2.text_encoder import build_blocks

__all__ = ["TextDecoder", "build_text_decoder"]


class TextDecoder(nn.Module):
    """memory[B, N, D] and the tokens so far → the scores of the next token, for every position."""

    def __init__(
        self, *, embeddings: BertEmbeddings, layers: nn.ModuleList, head: TiedHead, start: int
    ) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.layers = layers
        self.head = head
        self.start_id = start

    def forward(self, *, memory: States, tokens: Tokens) -> Tensor:
        """memory[B, N, D], tokens[B, L] → logits[B, L, V]; logits at i score the token at i + 1."""
        return self.decode(tokens, self.project(memory.values), self._memory_mask(memory))

    def both_ways(self, *, memory: States, tokens: Tokens) -> Tensor:
        """memory[B, N, D], tokens[B, L] → logits[B, L, V]; every token sees the later ones too, as an encoder's do."""
        hidden = self._embedded(tokens)
        mask, memory_mask = self_mask(tokens.mask, hidden.dtype), self._memory_mask(memory)
        for layer, seen in zip(self.layers, self.project(memory.values), strict=True):
            hidden = layer(hidden, mask=mask, memory=seen, memory_mask=memory_mask)
        return self.head(hidden, self.embeddings.words.weight)

    def grouped(self, *, vision: States, text: States, counts: Tensor, tokens: Tokens) -> Tensor:
        """Several texts per picture: vision[B, N, D], text[R, L, D], counts[B], tokens[R, M] → logits[R, M, V].

        Picture b has the next counts[b] texts. The same as a memory of repeated vision rows followed by the text, but
        keys and values of the vision are projected once per picture.
        """
        rows = torch.repeat_interleave(counts, output_size=text.values.shape[0])
        shared, own = self.project(vision.values), self.project(text.values)
        memory = tuple(
            KeyValues(
                torch.cat((seen.keys[rows], said.keys), 2), torch.cat((seen.values[rows], said.values), 2)
            )
            for seen, said in zip(shared, own, strict=True)
        )
        repeated = States(vision.values[rows], None if vision.mask is None else vision.mask[rows])
        mask = joined_mask(repeated, text)
        return self.decode(tokens, memory, cross_mask(mask, text.values.dtype))

    def rank(self, *, memory: States, candidates: Tokens, top: int) -> dict[str, Tensor]:
        """memory[B, N, D], candidates[K, L] → the `top` best candidates of each sample, best first.

        `ids`[B, top] index the candidates, `probabilities`[B, top] add up to one over the `top`.
        """
        return rank_candidates(self, memory, candidates, top=top)

    def ground(self, *, memory: States, prefix: int, first: int, steps: int) -> Tensor:
        """memory[B, N, D] → boxes[B, 4], (x, y, width, height) as parts of the picture."""
        return ground(self, memory, BoxTokensConfig(prefix=prefix, first=first, steps=steps))

    def start(self, *, memory: States, beams: int, max_tokens: int) -> DecoderCache:
        """The cache before the first token; keys and values of the memory are made here, once.

        Raises:
            InputError: there are more tokens than the decoder knows positions.
        """
        positions = self.embeddings.positions.num_embeddings
        if max_tokens > positions:
            raise InputError(
                f"max_tokens {max_tokens} is beyond the {positions} positions of the decoder; lower it"
            )
        layers = self.project(memory.values)
        batch, heads, _, dim = layers[0].keys.shape
        room = memory.values.new_zeros(len(layers), batch, beams, heads, max_tokens, dim)  # M is max_tokens
        past = KeyValues(room, room.clone())  # one tensor twice would be a single input of an exported step
        length = torch.zeros(1, dtype=torch.int64, device=memory.values.device)
        return DecoderCache(layers, self._memory_mask(memory), past, length)

    def step(self, ids: Tensor, cache: DecoderCache) -> tuple[Tensor, DecoderCache]:
        """ids[B, K], the last token of every beam → logits[B, K, V] of the next, and the cache with this one in it."""
        hidden = self.embeddings(ids, positions=cache.length)
        places = torch.arange(cache.past.keys.shape[4], device=ids.device)
        visible = (places <= cache.length).unsqueeze(0)  # [1, M]
        keys, values = [], []
        for number, (layer, memory) in enumerate(zip(blocks_of(self.layers), cache.memory, strict=True)):
            past = KeyValues(cache.past.keys[number], cache.past.values[number])
            hidden, past = layer.step(hidden, past, cache.length, visible, memory, cache.memory_mask)
            keys.append(past.keys)
            values.append(past.values)
        logits = self.head(hidden, self.embeddings.words.weight)
        filled = KeyValues(torch.stack(keys), torch.stack(values))  # [layers, B, K, heads, M, d]
        return logits, DecoderCache(cache.memory, cache.memory_mask, filled, cache.length + 1)

    def project(self, memory: Tensor) -> tuple[KeyValues, ...]:
        """memory[B, N, D] → its keys and values for every layer."""
        return tuple(layer.cross_attention.project(memory) for layer in blocks_of(self.layers))

    def decode(
        self, tokens: Tokens, memory: tuple[KeyValues, ...], memory_mask: Tensor | None, *, rows: int = 1
    ) -> Tensor:
        """tokens[B * rows, L] over a memory of B samples → logits[B * rows, L, V]."""
        hidden = self._embedded(tokens)
        mask = causal_mask(tokens.mask, hidden.dtype)
        for layer, seen in zip(self.layers, memory, strict=True):
            hidden = layer(
                hidden, mask=mask, causal=mask is None, memory=seen, memory_mask=memory_mask, rows=rows
            )
        return self.head(hidden, self.embeddings.words.weight)

    def _embedded(self, tokens: Tokens) -> Tensor:
        """tokens[B, L] → [B, L, D], with positions counted from the first visible token of each text."""
        positions = None if tokens.mask is None else places_from_first(tokens.mask)
        return self.embeddings(tokens.ids, positions=positions)

    def _memory_mask(self, memory: States) -> Tensor | None:
        return cross_mask(memory.mask, memory.values.dtype)


def build_text_decoder(config: DecoderConfig) -> TextDecoder:
    embeddings = BertEmbeddings(
        vocabulary=config.vocabulary,
        positions=config.positions,
        token_types=config.token_types,
        width=config.hidden,
        dropout=config.dropout,
    )
    decoder = TextDecoder(
        embeddings=embeddings,
        layers=build_blocks(config, [True] * config.layers),
        head=TiedHead(width=config.hidden, vocabulary=config.vocabulary),
        start=config.start,
    )
    decoder.apply(initialise)
    return decoder
