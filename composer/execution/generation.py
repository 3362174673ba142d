"""Generation: a `generate` node run token by token, with the search that its policy names.

The decoder keeps its keys and values in a cache (see `composer.plugin.Decoder`); a search policy decides which
tokens follow and when to stop. Neither knows the other's model or method.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from composer.execution.captured_search import DecoderSearch
from composer.execution.processors import Processors
from composer.execution.program import Program
from composer.execution.slot_values import Slots, rows_in
from composer.plan import Step, current_watch, execute, result_of
from composer.plugin import (
    Cache,
    Framing,
    Hypothesis,
    Registry,
    Seed,
    Tokenizer,
    Vocabulary,
)
from composer.plugin.answers import as_vocabulary
from composer.plugin.asking import ask
from composer.plugin.implementations import (
    BoundSearch,
    begin,
    bind_search,
    decoder_of,
    framing_of,
    tokenizer_of,
)
from composer.plugin.stop_strings import before_stop, begun_stop
from composer.problems import InputError

__all__ = [
    "Generator",
    "check_one_sample",
    "drawn_seed",
    "first_text",
    "fresh_seed",
    "generators_of",
    "output_ports",
    "seed_for",
    "shown_text",
    "text_pieces",
    "tokenizer_for",
    "walk",
]

SEED_BITS = 63


def fresh_seed() -> int:
    """A seed that nobody chose."""
    return random.getrandbits(SEED_BITS)


def drawn_seed(
    seed: object,
    raw: Mapping[str, object],
    task: str,
    inputs: Collection[str],
    searches: Iterable[BoundSearch],
) -> tuple[Seed | None, Mapping[str, object]]:
    """The seed of a run (None: any) and its raw inputs. An input that is called `seed` takes the value.

    Raises InputError for what is not a seed, and where no search of the task draws by chance.
    """
    if seed is None or "seed" in inputs:
        return None, raw if seed is None else {**raw, "seed": seed}
    return _held_seed(seed, task, searches), raw


def _held_seed(seed: object, task: str, searches: Iterable[BoundSearch]) -> Seed:
    given = list(seed) if isinstance(seed, (list, tuple)) else [seed]
    seeds: list[int] = []
    for one in given or [seed]:
        if isinstance(one, bool) or not isinstance(one, int) or not 0 <= one < 1 << SEED_BITS:
            raise InputError(f"a seed is a whole number from 0 on, below 2**{SEED_BITS}, not {one!r:.40}")
        seeds.append(one)
    if not any(search.policy.seeded for search in searches):
        raise InputError(f"task `{task}` takes no seed: none of its searches draws tokens by chance")
    return seeds if isinstance(seed, (list, tuple)) else seeds[0]


def seed_for(search: BoundSearch, seed: Seed | None, batch: int) -> Seed:
    """What one search draws with: without a seed each sample, or the whole batch, has one that nobody chose.

    Raises InputError where there is a list of seeds, and not one for each sample.
    """
    if seed is None:
        return [fresh_seed() for _ in range(batch)] if search.policy.seeded == "each" else fresh_seed()
    if not isinstance(seed, int) and len(seed) != batch:
        raise InputError(
            f"{len(seed)} seeds are given for {batch} samples: give one for all, or one for each"
        )
    return seed


def check_one_sample(count: int) -> None:
    """Raises InputError where more samples than one would be streamed."""
    if count != 1:
        raise InputError(f"streaming takes one sample at a time, not {count}")


def output_ports(
    ports: Collection[str],
    found: Sequence[Sequence[Hypothesis]],
    *,
    search: BoundSearch,
    tokenizer: Tokenizer,
    device: torch.device,
) -> dict[str, Any]:
    """Ports of a `generate` node from every sample's hypotheses: `ids`[B, L] int64, `score`[B], those of the policy
    itself, or what the tokenizer makes of the ids, whatever the port is called. Tensors are on the device, where later
    nodes read them.
    """
    best = [hypotheses[0] for hypotheses in found]
    framing, own = search.framing, search.outputs(found, device)

    def value(port: str) -> object:
        if port in own:
            return own[port]
        if port == "ids":
            longest = max(len(each.ids) for each in best)
            rows = [[*each.ids, *[framing.pad] * (longest - len(each.ids))] for each in best]
            return torch.tensor(rows, device=device)
        if port == "score":
            return torch.tensor([each.score for each in best], device=device)
        return [shown_text(each, search, tokenizer) for each in best]

    return {port: value(port) for port in ports}


def shown_text(found: Hypothesis, search: BoundSearch, tokenizer: Tokenizer) -> str:
    """What people read of a hypothesis: its own text where it has one, up to a stop string."""
    own: str | None = getattr(found, "text", None)
    text = tokenizer.decode(_as_ended(found.ids, search.framing)) if own is None else own
    return before_stop(text, search.stops)


def _as_ended(ids: Sequence[int], framing: Framing) -> Sequence[int]:
    """Ids that a `stop` ended, with the end that a tokenizer knows in its place."""
    return [*ids[:-1], framing.end] if ids[-1] in framing.ends[1:] else ids


def first_text(values: Iterable[Any]) -> str | None:
    """The text of the first sample, among the values of the ports of a `generate` node."""
    lists = (value for value in values if isinstance(value, list) and value)
    return next((value[0] for value in lists if isinstance(value[0], str)), None)


def text_pieces(
    tokens: Iterable[int], tokenizer: Tokenizer, framing: Framing, stops: Sequence[str] = ()
) -> Iterator[str]:
    """The text of tokens as they come; the pieces together are the text of all of them between start and end.

    `tokens` leave both out. Fewer of them than `framing.max_tokens` were ended. The text ends before the first of the
    `stops`, and what may become one is held back.
    """
    ids = [framing.start]
    shown = text = ""
    for token in tokens:
        ids.append(token)
        text = tokenizer.decode(ids)
        if (cut := before_stop(text, stops)) != text:
            text = cut
            break
        settled = _settled(text)
        settled = settled[: len(settled) - begun_stop(settled, stops)]
        if len(settled) > len(shown) and settled.startswith(shown):
            yield settled[len(shown) :]
            shown = settled
    else:
        if len(ids) <= framing.max_tokens:
            text = tokenizer.decode([*ids, framing.end])
        text = before_stop(text, stops)
    if text != shown:
        yield text[len(shown) :]


def tokenizer_for(registry: Registry, vocabulary: Vocabulary, shared: Processors | None = None) -> Tokenizer:
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
    return tokenizer_of(made.of(modality, config), modality.title)


class Generator:
    """Runs one `generate` node: memory in, hypotheses out, best first."""

    def __init__(
        self, *, step: Step, decoder: nn.Module, registry: Registry, shared: Processors | None = None
    ) -> None:
        node = step.node
        decoding = node.decoding
        generation, options, search = decoding.generation, decoding.options, decoding.search
        what = f"`vocabulary` of {node.module.type.title}"
        vocabulary = ask(generation.vocabulary, node.module.config, what=what, accept=as_vocabulary)
        framing = framing_of(vocabulary, min_tokens=options.min_tokens, max_tokens=options.max_tokens)
        self.step = step
        self.kinds = registry.kinds
        self.decoder = decoder_of(decoder, generation.prompt, node.module.type.title)
        self.prompt = generation.prompt
        self.tokenizer = tokenizer_for(registry, vocabulary, shared)
        _check_ids(
            node.module.name, vocabulary, self.tokenizer, opens_alike=generation.opens_as_its_tokenizer
        )
        self.framing = framing
        try:
            self.search = bind_search(
                search.policy,
                search.config,
                framing,
                beams=search.beams,
                streams=search.streams,
                tokenizer=self.tokenizer,
            )
        except InputError as error:
            raise InputError(f"node `{step.name}`: {error}") from None
        self.searching = DecoderSearch(self.search, self.decoder, captures=True)

    def start(self, memory: dict[str, Any]) -> tuple[Tensor | None, Cache, int]:
        """The scores of the first token, where a prompt gives them, the decoder's cache, and the batch size."""
        batch = rows_in(memory, self.step.node.signature.inputs, self.kinds)
        first, cache = begin(
            self.decoder,
            memory,
            self.prompt,
            beams=self.search.beams,
            max_tokens=self.framing.max_tokens,
            what=self.step.node.module.type.title,
            may_grow=_first_tensor(memory).device.type != "cuda",  # where steps are captured in fixed places
        )
        return first, cache, batch

    def run(self, slots: Slots, seed: Seed | None = 0) -> Sequence[Sequence[Hypothesis]]:
        """Every sample's hypotheses (`ids`, `score`), best first; writes the node's output ports into the slots."""
        found: dict[str, Sequence[Sequence[Hypothesis]]] = {}
        execute([(self.step, partial(self.answer, found, seed))], slots)
        return found[self.step.name]

    def answer(
        self, found: dict[str, Sequence[Sequence[Hypothesis]]], seed: Seed | None, /, **memory: Any
    ) -> Any:
        """What a memory gives on the node's output ports; `found` takes the hypotheses under the node's name."""
        first, cache, batch = self.start(memory)
        drawn = seed_for(self.search, seed, batch)
        hypotheses = found[self.step.name] = self.searching.find(cache, batch, drawn, first=first)
        device = _first_tensor(memory).device
        return result_of(
            output_ports(
                tuple(self.step.targets),
                hypotheses,
                search=self.search,
                tokenizer=self.tokenizer,
                device=device,
            )
        )

    def stream(self, slots: Slots, seed: Seed | None = 0) -> Iterator[str]:
        """Text of a single sample as it comes; the pieces together are the text that `run` gives."""
        first, cache, batch = self.start(self.step.read(slots))
        check_one_sample(batch)
        tokens = self.searching.stream(cache, seed_for(self.search, seed, 1), first=first)
        yield from text_pieces(tokens, self.tokenizer, self.framing, self.search.stops)


def _first_tensor(memory: Mapping[str, Any]) -> Tensor:
    """A tensor of the memory: of a record or a list of sources, the first."""
    found: Any = next(iter(memory.values()))
    while isinstance(found, tuple):
        found = found[0]
    tensor: Tensor = found
    return tensor


def _check_ids(module: str, vocabulary: Vocabulary, tokenizer: Any, *, opens_alike: bool) -> None:
    """A decoder and its vocabulary must agree on the special tokens: otherwise texts never end, or end at any word."""
    special = getattr(tokenizer, "special", None)
    if special is None:
        return
    found = {"start": special.start, "end": special.end, "pad": special.padding}
    tokens = {"start": vocabulary.start, "end": vocabulary.end, "pad": vocabulary.pad}
    meant = {name: (id,) for name, id in tokens.items()} | {"end": (vocabulary.end, *vocabulary.stop)}
    if not opens_alike:
        del found["start"]  # which is its own, or never fed
    wrong = [name for name, id in found.items() if id is not None and id not in meant[name]]
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
    steps: tuple[Step, ...],
    modules: Mapping[str, nn.Module],
    registry: Registry,
    shared: Processors | None = None,
) -> dict[str, Generator]:
    """A generator for every `generate` node of a plan."""
    return {
        s.name: Generator(step=s, decoder=modules[s.node.part], registry=registry, shared=shared)
        for s in steps
        if s.node.generates
    }


def walk(
    program: Program,
    generators: Mapping[str, Generator],
    slots: Slots,
    *,
    seed: Seed | None = 0,
    names: Container[str] | None = None,
) -> dict[str, Sequence[Sequence[Hypothesis]]]:
    """Run a plan on a list of slots, in place: all its nodes, or those of `names`. The hypotheses of each search."""
    found: dict[str, Sequence[Sequence[Hypothesis]]] = {}
    functions = program.functions
    calls = [
        (step, functions[name] if name in functions else partial(generators[name].answer, found, seed))
        for step in program.plan.steps
        if names is None or step.name in names
        for name in (step.name,)
    ]
    execute(calls, slots, current_watch())
    return found
