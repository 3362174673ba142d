"""The text encoder: BERT embeddings and the layers that only text goes through."""

from __future__ import annotations

from torch import Tensor, nn

from composer.plugin.masks import places_from_first
from composer.types import States, Tokens
from composer_mplug2.bert import BertBlock, BertEmbeddings, initialise
from composer_mplug2.configs import BertConfig, TextEncoderConfig
from composer_mplug2.masks import self_mask

__all__ = ["TextEncoder", "build_blocks", "build_text_encoder"]


class TextEncoder(nn.Module):
    """tokens[B, L] → states[B, L, D] with the tokens' mask. With no layer it is the embeddings alone."""

    def __init__(self, *, embeddings: BertEmbeddings, layers: nn.ModuleList) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.layers = layers

    def forward(
        self, *, tokens: Tokens, token_types: Tensor | None = None, positions: Tensor | None = None
    ) -> States:
        """token_types[B, L] default to 0; positions[B, L] are counted from the first visible token of each sample."""
        if positions is None and tokens.mask is not None:
            positions = places_from_first(tokens.mask)
        hidden = self.embeddings(tokens.ids, token_types=token_types, positions=positions)
        mask = self_mask(tokens.mask, hidden.dtype)
        for layer in self.layers:
            hidden = layer(hidden, mask=mask)
        return States(hidden, tokens.mask)


def build_blocks(config: BertConfig, cross_attention: list[bool]) -> nn.ModuleList:
    """One BERT block for each entry, with or without cross-attention."""
    return nn.ModuleList(
        BertBlock(
            width=config.hidden,
            heads=config.heads,
            intermediate=config.intermediate_dim,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            cross_attention=crossed,
        )
        for crossed in cross_attention
    )


def build_text_encoder(config: TextEncoderConfig) -> TextEncoder:
    embeddings = BertEmbeddings(
        vocabulary=config.vocabulary,
        positions=config.positions,
        token_types=config.token_types,
        width=config.hidden,
        dropout=config.dropout,
    )
    encoder = TextEncoder(embeddings=embeddings, layers=build_blocks(config, [False] * config.layers))
    encoder.apply(initialise)
    return encoder
