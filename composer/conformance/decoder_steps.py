"""The promise of a decoder's steps: no sample and no beam sees another, and a cache is what a search may make of it.

All of it is held by one script of tokens, decoded in several ways that must find the same scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from composer.conformance.cases import MethodCase
from composer.conformance.outputs import difference
from composer.conformance.padding import padded_inputs
from composer.conformance.report import Failure
from composer.conformance.sample_inputs import make_inputs
from composer.conformance.sample_rows import batch_units, select_rows
from composer.conformance.symbol_sizes import symbols_of
from composer.execution.slot_values import PortValues, rows_in
from composer.plugin.asking import fault_of
from composer.plugin.contracts import Cache, Decoder, GrowableNote
from composer.plugin.implementations import as_cache, begin, decoder_of

__all__ = ["BEAMS", "Script", "check_decoding"]

BEAMS, MAX_TOKENS, LONGER = 3, 4, 9
Part = tuple[slice, ...]
"""Some samples, and some beams of them."""
_EVERY = slice(None)
_ALL: Part = (_EVERY,)


@dataclass(frozen=True)
class Decoded:
    """What a script of tokens found: the scores[B, K, V] after the prompt, where there is one, and after each token."""

    scores: tuple[Tensor, ...]
    cache: Cache


@dataclass(frozen=True)
class Script:
    """A decoder that is fed the same tokens in several ways."""

    case: MethodCase
    decoder: Decoder
    prompt: tuple[str, ...]
    may_grow: bool = False
    """Whether a cache that can grow does, as in a live answer."""

    @staticmethod
    def of(case: MethodCase) -> Script:
        """Of a type that generates. Raises Failure or PluginError where it has not what that takes."""
        generation = case.build.entry.generation
        assert generation is not None
        unknown = [port for port in generation.prompt if port not in case.signature.inputs]
        if unknown:
            raise Failure(f"its `prompt` names {unknown[0]}, which is not an input port")
        what = case.build.entry.title
        return Script(case, decoder_of(case.build.module, generation.prompt, what), generation.prompt)

    def begin(
        self, ports: PortValues, *, beams: int, max_tokens: int = MAX_TOKENS
    ) -> tuple[Tensor | None, Cache]:
        """The scores that a prompt gives, and a cache that a search can use."""
        what = self.case.build.entry.title
        first, cache = begin(
            self.decoder,
            ports,
            self.prompt,
            beams=beams,
            max_tokens=max_tokens,
            what=what,
            may_grow=self.may_grow,
        )
        rows = rows_in(ports, self.case.signature.inputs, self.case.kinds)
        if first is not None:
            hold_logits(first, (rows, beams), "prefill")
        hold_cache(cache, "prefill" if self.prompt else "start")
        return first, cache

    def can_grow(self, ports: PortValues) -> bool:
        """Whether it offers a cache that grows."""
        memory = {port: value for port, value in ports.items() if port not in self.prompt}
        note = self.decoder.start(**memory, beams=BEAMS, max_tokens=MAX_TOKENS)
        return bool(self.prompt) and isinstance(note, GrowableNote)

    def step(self, ids: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """One step, whose answer is what the contract says."""
        answer: object = self.decoder.step(ids, cache)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise Failure(
                f"step gives a {type(answer).__name__}; (logits[B, K, V], cache) is expected, a tuple"
            )
        logits, after = answer
        hold_logits(logits, tuple(ids.shape), "step")
        hold_cache(after, "step")
        if after.device != logits.device:
            raise Failure(
                f"its cache says that it is on {after.device}, and the logits are on {logits.device}"
            )
        return logits, after

    def hold_same(self, found: Decoded, expected: Decoded, told: str, part: Part = _ALL) -> None:
        """Raises Failure where scores are not the same as a part of those expected."""
        for number, (ours, theirs) in enumerate(zip(found.scores, expected.scores, strict=False)):
            fault = difference({"logits": ours}, {"logits": theirs[part]})
            if fault:
                step = number + 1 - len(self.prompt[:1])
                raise Failure(f"{told}: {fault} {f'after token {step}' if step else 'after the prompt'}")

    def decode(self, ports: PortValues, tokens: Sequence[Tensor], *, max_tokens: int = MAX_TOKENS) -> Decoded:
        """Feed `tokens`, each ids[B, K]."""
        first, cache = self.begin(ports, beams=tokens[0].shape[1], max_tokens=max_tokens)
        scores = [] if first is None else [first]
        for ids in tokens:
            logits, cache = self.step(ids, cache)
            scores.append(logits)
        return Decoded(tuple(scores), cache)


def hold_logits(logits: object, form: tuple[int, ...], what: str) -> None:
    """Raises Failure where scores are not logits[B, K, V] for B samples of K beams."""
    if not isinstance(logits, Tensor):
        raise Failure(f"{what}: expected logits[B, K, V], got a {type(logits).__name__}")
    if logits.ndim != 3 or tuple(logits.shape[:2]) != form:
        raise Failure(f"{what}: expected logits[B, K, V] for ids {list(form)}, got {list(logits.shape)}")
    if not logits.is_floating_point():
        raise Failure(
            f"{what}: expected logits of float values, got {str(logits.dtype).removeprefix('torch.')}"
        )


def hold_cache(cache: object, what: str) -> None:
    """Raises Failure for a cache without what a search reads of it."""
    try:
        device: object = as_cache(cache).device
    except TypeError as error:
        raise Failure(f"{what} gives a {type(cache).__name__} as its cache: {error}") from None
    if not isinstance(device, torch.device):
        raise Failure(f"the `device` of its cache is {device!r:.40}; a torch.device is expected")


def check_decoding(script: Script, sizes: Mapping[str, int]) -> int:
    """Decode a script as a whole and in parts. Gives the size of the vocabulary."""
    case = script.case
    ports = make_inputs(case.signature, case.kinds, sizes, partition=case.partition)
    batch = rows_in(ports, case.signature.inputs, case.kinds)
    first = script.decode(ports, [torch.zeros(batch, BEAMS, dtype=torch.int64)])
    vocabulary = first.scores[-1].shape[-1]
    # A prompt gives the scores of the first token, which is a step less.
    tokens = list(_tokens(batch, vocabulary, MAX_TOKENS - len(script.prompt[:1])))
    whole = script.decode(ports, tokens)
    script.hold_same(script.decode(ports, tokens), whole, "two searches of the same tokens disagree")
    _check_room(script, ports, vocabulary, batch, whole)
    _check_samples(script, ports, sizes, tokens, whole)
    _check_beams(script, ports, tokens, whole)
    _check_memory(script, sizes, tokens)
    _check_cache(script, ports, tokens)
    if script.can_grow(ports):
        growing = replace(script, may_grow=True)
        script.hold_same(growing.decode(ports, tokens), whole, "with a cache that grows, scores are others")
        _check_cache(growing, ports, tokens)
    return vocabulary


def _check_cache(script: Script, ports: PortValues, tokens: Sequence[Tensor]) -> None:
    """`select` and `reorder`, before the first token and after some."""
    fresh = script.begin(ports, beams=BEAMS)[1]  # a search may reorder and select before its first token, too
    before = script.decode(ports, tokens[:-1]).cache  # it has room for one more token
    for cache, ids in ((fresh, tokens[0]), (before, tokens[-1])):
        _check_select(script, cache, ids)
        _check_reorder(script, cache, len(ids))


def _tokens(batch: int, vocabulary: int, count: int) -> Iterator[Tensor]:
    """Tokens that tell the beams apart as far as the vocabulary goes."""
    places = torch.arange(batch * BEAMS).reshape(batch, BEAMS)
    for number in range(count):
        yield (places + number * (BEAMS + 1)) % vocabulary


def _check_room(script: Script, ports: PortValues, vocabulary: int, batch: int, whole: Decoded) -> None:
    """`max_tokens` says how many tokens there is room for, and nothing about their scores."""
    tokens = list(_tokens(batch, vocabulary, LONGER - len(script.prompt[:1])))
    try:
        longer = script.decode(ports, tokens, max_tokens=LONGER)
    except Failure:
        raise
    except Exception as error:
        fault = fault_of(error)
        raise Failure(
            f"with max_tokens={MAX_TOKENS} it decodes as many tokens, and with max_tokens={LONGER} it {fault}: `start` "
            "makes room for as many as `max_tokens` says"
        ) from error
    script.hold_same(longer, whole, f"with max_tokens={LONGER}, the same tokens have other scores")


def _check_samples(
    script: Script, ports: PortValues, sizes: Mapping[str, int], tokens: Sequence[Tensor], whole: Decoded
) -> None:
    case = script.case
    for symbol, units in batch_units(case, sizes):
        if len(units) != len(tokens[0]):
            continue  # it counts something else than the samples that are searched
        for index, rows in enumerate(units):
            own = select_rows(ports, case.signature.inputs, case.kinds, rows)
            alone = script.decode(own, [ids[index : index + 1] for ids in tokens])
            told = f"sample {index} of {symbol}={len(units)} alone has other scores"
            script.hold_same(alone, whole, told, (slice(index, index + 1),))


def _check_beams(script: Script, ports: PortValues, tokens: Sequence[Tensor], whole: Decoded) -> None:
    for beam in range(BEAMS):
        alone = script.decode(ports, [ids[:, beam : beam + 1] for ids in tokens])
        told = f"with beams=1, the tokens of beam {beam} of {BEAMS} have other scores (a beam sees no other)"
        script.hold_same(alone, whole, told, (_EVERY, slice(beam, beam + 1)))


def _check_memory(script: Script, sizes: Mapping[str, int], tokens: Sequence[Tensor]) -> None:
    """What a memory's mask hides has no part in the scores. A prompt is padded as its modality does it: see there."""
    case = script.case
    ports = make_inputs(case.signature, case.kinds, sizes, partition=case.partition, masks="full")
    plain = script.decode(ports, tokens)
    prompted = symbols_of({name: case.signature.inputs[name] for name in script.prompt})
    for padding, padded in padded_inputs(case, ports, sizes):
        if padding.symbol not in prompted:
            told = f"{padding} of its memory change the scores"
            script.hold_same(script.decode(padded, tokens), plain, told)


def _check_select(script: Script, cache: Cache, ids: Tensor) -> None:
    expected, _ = script.step(ids, cache)
    batch = len(ids)
    for rows in (torch.tensor([batch - 1, 0]), torch.tensor([batch - 1])):
        chosen = cache.select(rows)
        hold_cache(chosen, "`select` of its cache")
        try:
            found, _ = script.step(ids[rows], chosen)
        except Failure:
            raise
        except Exception as error:
            raise Failure(
                f"after `select` of {len(rows)} of {batch} samples of its cache, step {fault_of(error)}"
            ) from error
        if difference({"logits": found}, {"logits": expected[rows]}):
            raise Failure(
                f"`select` of the samples {rows.tolist()} of its cache does not select the logits of the next step"
            )


def _check_reorder(script: Script, cache: Cache, batch: int) -> None:
    """After the same token, each beam goes on as the one that it comes from."""
    same = torch.ones(batch, BEAMS, dtype=torch.int64)
    kept, _ = script.step(same, cache)
    beams, rows = torch.arange(BEAMS), torch.arange(batch).unsqueeze(1)
    turned = (beams + 1 + rows) % BEAMS  # each sample in its own way
    for parents in ((beams.expand(batch, -1)), turned, beams.flip(0).expand(batch, -1), turned.clamp(max=1)):
        moved = _reordered(cache, parents)
        twice = _reordered(moved, turned)
        for after, origin in ((moved, parents), (twice, parents.gather(1, turned))):
            found, _ = script.step(same, after)
            wanted = kept.gather(1, origin.unsqueeze(-1).expand_as(kept))
            if difference({"logits": found}, {"logits": wanted}):
                raise Failure(
                    "reordering the beams of the cache does not reorder the logits of the next step"
                )


def _reordered(cache: Cache, parents: Tensor) -> Cache:
    try:
        moved = cache.reorder(parents)
    except Exception as error:
        raise Failure(
            f"`reorder` of its cache, asked for {parents.shape[1]} beams of {len(parents)} samples, {fault_of(error)}"
        ) from error
    hold_cache(moved, "`reorder` of its cache")
    return moved
