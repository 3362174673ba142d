"""A decoder-only model: transformers' own layers, with our cache, our masks and our step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from composer.plugin.masks import first_visible, mask_of
from composer.problems import InputError
from composer.types import States, Tokens
from composer_transformers.causal_attention import (
    ATTENTION,
    Attending,
    FromStep,
    WholeText,
    register_attention,
)
from composer_transformers.causal_cache import CausalCache, GrowingCache, Room
from composer_transformers.causal_config import CausalConfig
from composer_transformers.library_model import library_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["CausalLM", "build_causal_lm"]


class CausalLM(nn.Module):
    """tokens[B, L] → the scores of the next token. Its parameters have the names of published checkpoints."""

    def __init__(
        self,
        *,
        name: str,
        trunk: PreTrainedModel,
        head: nn.Linear,
        softcap: float | None,
        positions: int,
    ) -> None:
        """`name` is that of the trunk's attribute. The weight of the head may be that of the word embeddings."""
        super().__init__()
        setattr(self, name, trunk)
        self.lm_head = head
        self._name = name
        self.softcap = softcap
        self.positions = positions

    @property
    def trunk(self) -> PreTrainedModel:
        found: PreTrainedModel = getattr(self, self._name)
        return found

    def embed(self, *, tokens: Tokens) -> States:
        """tokens[B, L] → states[B, L, D]."""
        return States(self._words()(tokens.ids), tokens.mask)

    def forward(self, *, tokens: Tokens, positions: Tensor | None = None) -> Tensor:
        """tokens[B, L] → logits[B, L, V]; logits at i score the token at i + 1.

        `positions`[B, L] say where each token stands, or [B, A, L] where it stands along each of several axes; left
        out, they are counted.
        """
        return self.score(states=self.embed(tokens=tokens), positions=positions)

    def score(self, *, states: States, positions: Tensor | None = None) -> Tensor:
        """states[B, L, D], as `embed` gives them → logits[B, L, V]."""
        return self._head(self.hidden(states=states, positions=positions).values)

    def hidden(self, *, states: States, positions: Tensor | None = None) -> States:
        """states[B, L, D], as `embed` gives them → those of the last layer."""
        counted = _counted(states)
        whole = WholeText(states.mask, counted)
        places = counted if positions is None else _by_axis(positions)
        return States(self._run(states.values, places, whole), states.mask)

    def teach(self, *, prompt: States, reply: Tokens, positions: Tensor | None = None) -> Tensor:
        """prompt[B, P, D] and reply[B, L] → logits[B, L, V]; logits at i score the token at i of the reply.

        `positions`, as of `prefill`, are those of the prompt; the reply goes on behind the largest of them.
        """
        said = self.embed(tokens=reply)
        seen = mask_of(prompt)
        joined = States(
            torch.cat((prompt.values, said.values.to(prompt.values.dtype)), 1),
            torch.cat((seen, reply.mask), 1),
        )
        if positions is not None:
            own = ((reply.mask > 0).cumsum(1) - 1).clamp(min=0) + _next(positions, seen).unsqueeze(1)
            if positions.ndim == 3:
                own = own.unsqueeze(1).expand(-1, positions.shape[1], -1)
            positions = torch.cat((positions, own), -1)
        hidden = self.hidden(states=joined, positions=positions).values
        rows = torch.arange(seen.shape[0], device=seen.device)
        first = hidden[rows, _last(seen)].unsqueeze(1)
        before = torch.cat((first, hidden[:, seen.shape[1] : -1]), 1)
        places = torch.arange(reply.mask.shape[1], device=seen.device)
        is_first = places == first_visible(reply.mask).unsqueeze(1)
        return self._head(torch.where(is_first.unsqueeze(-1), first, before))

    def start(self, *, beams: int, max_tokens: int) -> Room:
        """What the prompt is told: how many beams there will be, and how many tokens.

        Raises:
            InputError: there are more tokens than the model knows positions.
        """
        if max_tokens >= self.positions:
            raise InputError(
                f"max_tokens {max_tokens} leaves no room for a prompt among {self.positions} positions; lower it"
            )
        return Room(beams, max_tokens)

    def prefill(
        self, *, prompt: States, cache: Room, positions: Tensor | None = None
    ) -> tuple[Tensor, CausalCache]:
        """prompt[B, P, D] → logits[B, K, V] of the first token, and the cache with the prompt in it.

        Where the padding stands makes no difference. `positions`[B, P], or [B, A, P] along several axes, say where each
        token of the prompt stands; left out, they are counted. What is written goes on behind the largest of them.
        """
        values, counted, seen = prompt.values, _counted(prompt), mask_of(prompt)
        whole = WholeText(prompt.mask, counted, keeps=True)
        hidden = self._run(values, counted if positions is None else _by_axis(positions), whole)
        logits = self._head(hidden[torch.arange(values.shape[0], device=values.device), _last(seen)])
        assert whole.kept is not None
        kept = torch.stack(whole.kept)  # [layers, 2, B, groups, P, d]
        layers, _, batch, groups, _, dim = kept.shape
        made, room = (GrowingCache, 0) if cache.grows else (CausalCache, cache.max_tokens)
        past = kept.new_zeros(layers, 2, batch, cache.beams, groups, room, dim)
        length = torch.zeros(1, dtype=torch.int64, device=values.device)
        following = (seen > 0).sum(1) if positions is None else _next(positions, seen)
        return logits.unsqueeze(1).expand(-1, cache.beams, -1), made(kept, seen, past, following, length)

    def step(self, ids: Tensor, cache: CausalCache) -> tuple[Tensor, CausalCache]:
        """ids[B, K], the last token of every beam → logits[B, K, V] of the next, and the cache with this one in it."""
        attending = FromStep(cache.prompt, cache.past, seen=cache.seen, length=cache.length)
        positions = cache.positions.unsqueeze(1).expand(-1, ids.shape[1])
        hidden = self._run(self._words()(ids), positions, attending)
        return self._head(hidden), cache.after(torch.stack(attending.kept))  # [layers, 2, B, K, groups, d]

    def _run(self, values: Tensor, positions: Tensor, attending: Attending) -> Tensor:
        """values[B, L, D] through the layers; the beams of a step are its L. Positions are [B, L], or [A, B, L]."""
        found = self.trunk(inputs_embeds=values, position_ids=positions, use_cache=False, attending=attending)
        hidden: Tensor = found.last_hidden_state
        return hidden

    def _head(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.lm_head(hidden)
        return logits if self.softcap is None else torch.tanh(logits / self.softcap) * self.softcap

    def _words(self) -> nn.Module:
        """What embeds tokens: the library's embedding, or what an adapter put around it."""
        return self.trunk.get_input_embeddings()


def _last(seen: Tensor) -> Tensor:
    """The last visible position of each sample, [B] int64."""
    return (torch.arange(seen.shape[1], device=seen.device) * (seen > 0)).amax(1)


def _by_axis(positions: Tensor) -> Tensor:
    """positions[B, L], or [B, A, L] along several axes, as the library takes them: [B, L] or [A, B, L]."""
    return positions if positions.ndim == 2 else positions.transpose(0, 1)


def _next(positions: Tensor, seen: Tensor) -> Tensor:
    """The position behind the largest visible one of positions[B, L] or [B, A, L], along any axis, [B] int64."""
    largest = positions if positions.ndim == 2 else positions.amax(1)
    return torch.where(seen > 0, largest, -1).amax(1) + 1


def _counted(states: States) -> Tensor:
    """Places counted from the first visible one of each sample, [B, L] int64."""
    if states.mask is None:
        length = states.values.shape[1]
        places = torch.arange(length, device=states.values.device)
        return places.expand(states.values.shape[0], -1)
    return ((states.mask > 0).cumsum(1) - 1).clamp(min=0)


def build_causal_lm(config: CausalConfig) -> CausalLM:
    register_attention()
    row, facts = config.row, config.facts
    trunk = library_model(row.trunk_class, row.config_class, config.values, attention=ATTENTION)
    head = nn.Linear(facts.width, facts.vocabulary, bias=False)
    if facts.is_tied:
        words = trunk.get_input_embeddings()
        assert isinstance(words, nn.Embedding)
        head.weight = words.weight
    else:
        nn.init.normal_(head.weight, std=getattr(trunk.config, "initializer_range", 0.02))
    return CausalLM(
        name=row.trunk,
        trunk=trunk,
        head=head,
        softcap=getattr(trunk.config, "final_logit_softcapping", None),
        positions=facts.positions,
    )
