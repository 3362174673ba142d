"""Generation: a `generate` node run token by token, with the search that its policy names.

The decoder keeps its keys and values in a cache (see `composer.plugin.Generation`); a search policy decides which
tokens follow and when to stop. Neither knows the other's model or method.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from composer.execution.processors import Processors
from composer.plan import Step
from composer.plugin import Registry, Vocabulary
from composer.plugin.answers import as_vocabulary
from composer.plugin.asking import ask, import_object
from composer.plugin.contracts import (
    DecoderStep,
    Hypothesis,
    SearchPolicyImplementation,
    as_policy,
    held_hypotheses,
)
from composer.problems import InputError

__all__ = ["Generator", "after_prefill", "generators_of", "text_pieces", "tokenizer_for", "written"]


def after_prefill(step: DecoderStep, first: Any) -> DecoderStep:
    """A decoder's step whose first call gives `first`, the logits[B, K, V] after the prompt, in place of running."""
    waiting = [first]

    def run(ids: Any, cache: Any) -> tuple[Any, Any]:
        return (waiting.pop(), cache) if waiting else step(ids, cache)

    return run


def written(
    port: str, found: Sequence[Sequence[Hypothesis]], *, tokenizer: Any, pad: int, device: torch.device
) -> Any:
    """A port of a `generate` node from every sample's hypotheses: text, ids[B, L] int64 or score[B].

    Tensors are on the device, where later nodes read them. Raises InputError for another port.
    """
    best = [hypotheses[0] for hypotheses in found]
    if port == "text":
        return [tokenizer.decode(each.ids) for each in best]
    if port == "score":
        return torch.tensor([each.score for each in best], device=device)
    if port == "ids":
        longest = max(len(each.ids) for each in best)
        return torch.tensor([[*each.ids, *[pad] * (longest - len(each.ids))] for each in best], device=device)
    raise InputError(f"a generate node offers text, ids and score, not {port}")


def text_pieces(
    tokens: Iterable[int], tokenizer: Any, *, framing: Mapping[str, int], most: int
) -> Iterator[str]:
    """The text of tokens as they come; the pieces together are the text of all of them between start and end.

    `framing` holds the ids of `start` and `end`, which `tokens` leave out. Fewer tokens than `most` were ended by it.
    """
    ids = [framing["start"]]
    shown = text = ""
    for token in tokens:
        ids.append(token)
        text = tokenizer.decode(ids)
        settled = _settled(text)
        if len(settled) > len(shown) and settled.startswith(shown):
            yield settled[len(shown) :]
            shown = settled
    if len(ids) <= most:
        text = tokenizer.decode([*ids, framing["end"]])
    if text != shown:
        yield text[len(shown) :]


def tokenizer_for(registry: Registry, vocabulary: Vocabulary, shared: Processors | None = None) -> Any:
    """What makes text of a decoder's ids: the tokenizer of the modality that its vocabulary names.

    Raises:
        InputError: there is no such tokenizer, or no plugin that offers the modality.
    """
    modality = registry.modalities.get(vocabulary.modality)
    if modality is None:
        raise InputError(
            f"a decoder needs the modality `{vocabulary.modality}`, and no loaded plugin offers it"
        )
    made = shared if shared is not None else Processors()
    try:
        config = modality.config.model_validate(dict(vocabulary.config))
    except ValidationError as error:
        cause = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        named = ", ".join(repr(value) for value in vocabulary.config.values())
        raise InputError(f"the tokenizer of a decoder, {named}, cannot be used: {cause}") from error
    return made.of(modality, config).tokenizer


class Generator:
    """Runs one `generate` node: memory in, hypotheses out, best first."""

    def __init__(
        self, *, step: Step, decoder: Any, registry: Registry, shared: Processors | None = None
    ) -> None:
        node = step.node
        options: Any = node.options
        generation: Any = node.module.type.generation
        what = f"`vocabulary` of {node.module.type.title}"
        vocabulary = ask(generation.vocabulary, node.module.config, what=what, accept=as_vocabulary)
        tokens = {"start": vocabulary.start, "end": vocabulary.end, "pad": vocabulary.pad}
        policy = registry.policies[options.penalty]
        implementation = import_object(policy.implementation, policy.title)
        self.step = step
        self.prefills = generation.prefills
        self.decoder = decoder
        self.options = options
        self.tokenizer = tokenizer_for(registry, vocabulary, shared)
        _check_ids(node.module.name, tokens, self.tokenizer)
        self.tokens = tokens
        self.policy_title = policy.title
        self.policy: SearchPolicyImplementation = ask(
            partial(implementation, options=options, **tokens), what=policy.title, accept=as_policy
        )

    def start(self, slots: list[Any]) -> tuple[DecoderStep, Any, int]:
        """The step to search with, the decoder's cache for the memory in the slots, and the batch size."""
        memory = self._memory(slots)
        batch = _first_tensor(memory).shape[0]
        found = self.decoder.start(**memory, beams=self.options.beams, max_tokens=self.options.max_tokens)
        if not self.prefills:
            return self.decoder.step, found, batch
        logits, cache = found
        return after_prefill(self.decoder.step, logits), cache, batch

    def _memory(self, slots: list[Any]) -> dict[str, Any]:
        return self.step.read(slots)

    def run(self, slots: list[Any]) -> Sequence[Sequence[Hypothesis]]:
        """Every sample's hypotheses (`ids`, `score`), best first; writes the node's output ports into the slots."""
        step, cache, batch = self.start(slots)
        found = held_hypotheses(self.policy.search(step, cache, batch), batch, self.policy_title)
        device = _first_tensor(self._memory(slots)).device
        for port, slot in self.step.targets.items():
            slots[slot] = written(
                port, found, tokenizer=self.tokenizer, pad=self.tokens["pad"], device=device
            )
        return found

    def check_streams(self) -> None:
        """Raises InputError for a search that keeps several beams."""
        if self.options.beams != 1:
            raise InputError(
                f"a search with {self.options.beams} beams cannot stream: its text may still change; set beams to 1"
            )
        if not callable(getattr(self.policy, "stream", None)):
            raise InputError(f"{self.policy_title} cannot stream")

    def stream(self, slots: list[Any]) -> Iterator[str]:
        """Text of a single sample as it comes; the pieces together are the text that `run` gives."""
        self.check_streams()
        step, cache, batch = self.start(slots)
        if batch != 1:
            raise InputError(f"streaming takes one sample at a time, not {batch}")
        tokens = self.policy.stream(step, cache)
        yield from text_pieces(tokens, self.tokenizer, framing=self.tokens, most=self.options.max_tokens)


def _first_tensor(memory: Mapping[str, Any]) -> Tensor:
    """A tensor of the memory: of a record or a list of sources, the first."""
    found: Any = next(iter(memory.values()))
    while isinstance(found, tuple):
        found = found[0]
    tensor: Tensor = found
    return tensor


def _check_ids(module: str, tokens: Mapping[str, int], tokenizer: Any) -> None:
    """A decoder and its vocabulary must agree on the special tokens: otherwise texts never end, or end at any word."""
    special = getattr(tokenizer, "special", None)
    if special is None:
        return
    found = {"start": special.start, "end": special.end, "pad": special.padding}
    wrong = [name for name, id in found.items() if id is not None and tokens.get(name, id) != id]
    if wrong:
        raise InputError(
            f"module `{module}` takes {', '.join(f'{tokens[n]} for {n}' for n in wrong)}, but in its vocabulary these "
            f"are other words; write {', '.join(f'{n}: {found[n]}' for n in wrong)} in its `with`"
        )


UNSETTLED_WORDS = 2


def _settled(text: str) -> str:
    """The part of a growing text that further tokens leave as it is: pieces such as n, ' and t join what is before."""
    return text.rsplit(" ", UNSETTLED_WORDS)[0] if text.count(" ") >= UNSETTLED_WORDS else ""


def generators_of(
    steps: tuple[Step, ...], modules: Mapping[str, Any], registry: Registry, shared: Processors | None = None
) -> dict[str, Generator]:
    """A generator for every `generate` node of a plan."""
    return {
        s.name: Generator(step=s, decoder=modules[s.node.module.name], registry=registry, shared=shared)
        for s in steps
        if s.node.verb == "generate"
    }
