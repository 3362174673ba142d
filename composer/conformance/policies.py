"""The promise of a search policy: it finds texts with nothing of a cache but what the contract says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from types import SimpleNamespace

import torch
from torch import Tensor
from torch.utils._pytree import register_pytree_node

from composer.conformance.advancing import check_advance, found_in_place, streamed_in_place
from composer.conformance.examples import example_configs
from composer.conformance.report import Failure
from composer.plugin.answers import as_beams, as_flag, as_output_ports
from composer.plugin.asking import ask
from composer.plugin.contracts import Cache, Framing, Hypothesis, Stepper
from composer.plugin.declarations import SearchPolicy
from composer.plugin.implementations import BoundSearch, bind_search
from composer.plugin.ruled_search import RuledDecoder
from composer.problems import InputError

__all__ = ["check_policy"]

FRAMING = Framing(start=1, ends=(2, 3), pad=0, min_tokens=2, max_tokens=5)
VOCABULARY, BATCH, SEED = 9, 3, 7
Texts = list[tuple[tuple[int, ...], float]]
"""The texts of one sample, with their scores."""
OFFERED = ("device", "reorder", "select")


class _Cache:
    """A cache that offers the contract and nothing else, as the one of a compiled artifact does."""

    __slots__ = ("_of", "_read", "_uses")

    def __init__(self, of: Tensor, uses: list[Tensor] | None = None, read: Tensor | None = None) -> None:
        self._of = of
        """`of[R, K]`: which sample each row and beam remembers; only the decoder below reads it."""
        self._uses: list[Tensor] = uses if uses is not None else []
        """The ids of each step from this cache, in whatever order of its beams."""
        self._read = read if read is not None else torch.zeros_like(of)
        """Which tokens each row and beam has read, as one number; see `_code`."""

    @property
    def device(self) -> torch.device:
        return self._of.device

    def reorder(self, parents: Tensor) -> _Cache:
        return _Cache(self._of.gather(1, parents), self._uses, self._read.gather(1, parents))

    def select(self, rows: Tensor) -> _Cache:
        return _Cache(self._of[rows], None, self._read[rows])

    def __getattr__(self, name: str) -> object:
        raise Failure(f"it reads `cache.{name}`; a cache offers {', '.join(OFFERED)} and nothing else")


def _unflatten(leaves: Iterable[Tensor], context: object) -> _Cache:
    of, read = leaves
    return _Cache(of, None, read)


register_pytree_node(_Cache, lambda cache: ([cache._of, cache._read], None), _unflatten)


def _step(ids: Tensor, cache: _Cache) -> tuple[Tensor, _Cache]:
    """Scores that depend on the sample and the last token; samples end after texts of unequal length."""
    of = cache._of
    cache._uses.append(ids)
    if ids.shape != of.shape or ids.dtype != torch.int64:
        raise Failure(
            f"it gives the decoder ids {list(ids.shape)} of {ids.dtype}; int64 {list(of.shape)} are expected"
        )
    places = torch.arange(VOCABULARY, device=of.device)
    logits = -((places - (ids + of + 1).unsqueeze(-1) % VOCABULARY).abs()).float()
    return logits, _Cache(of, None, cache._read * (VOCABULARY + 1) + ids + 1)


def _code(ids: Sequence[int]) -> int:
    """Tokens as one number, as caches have it of what they have read."""
    code = 0
    for token in ids:
        code = code * (VOCABULARY + 1) + token + 1
    return code


class _Noting:
    """A decoder that notes what each sample has read after a step, whichever beam did."""

    def __init__(self, decoder: Stepper) -> None:
        self._decoder = decoder
        self.read: set[tuple[int, int]] = set()
        """Sample, and the number of its tokens."""

    def step(self, ids: Tensor, cache: _Cache) -> tuple[Tensor, Cache]:
        logits, after = self._decoder.step(ids, cache)
        assert isinstance(after, _Cache)
        self.read.update(zip(after._of.flatten().tolist(), after._read.flatten().tolist(), strict=True))
        return logits, after


def _step_once(ids: Tensor, cache: _Cache) -> tuple[Tensor, _Cache]:
    """The same for a policy that says that it goes on from each cache once."""
    if cache._uses:
        raise Failure("it goes on from a cache a second time, and is declared with `steps_once`")
    return _step(ids, cache)


class _Letters:
    """A tokenizer over the vocabulary of the kit, for policies whose options hold texts: `a` to `e` are five tokens."""

    size = VOCABULARY
    first = 4

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(chr(ord("a") + id - self.first) for id in ids if id >= self.first)

    def spell(self, text: str) -> list[int]:
        ids = [self.first + ord(letter) - ord("a") for letter in text]
        if not all(self.first <= id < self.size for id in ids):
            raise InputError(
                f"{text!r} holds other letters than a to e, which are those of the conformance kit"
            )
        return ids


def check_policy(policy: SearchPolicy) -> str:
    """Search three samples with each example, and stream one; what is found keeps to the framing, and to the seed."""
    for config in example_configs(policy):
        beams = ask(policy.beams, config, what=f"`beams` of {policy.title}", accept=as_beams)
        streams = ask(policy.streams, config, what=f"`streams` of {policy.title}", accept=as_flag)
        search = bind_search(policy, config, FRAMING, beams=beams, streams=streams, tokenizer=_Letters())
        check_advance(search, BATCH, VOCABULARY, SEED)
        _check_search(search)
        _check_ports(search)
        for sample in range(BATCH if streams else 0):
            _check_stream(search, sample)
    return ""


def _check_ports(search: BoundSearch) -> None:
    """Its own ports are what its implementation gives for what it found."""
    declared = ask(
        search.policy.ports,
        search.config,
        what=f"`ports` of {search.policy.title}",
        accept=as_output_ports,
    )
    decoder, cache = _ruled(search, BATCH)
    found = search.search(decoder.step, cache, BATCH, SEED)
    given = search.outputs(found, torch.device("cpu"))
    if set(given) != set(declared):
        raise Failure(
            f"its `outputs` gives {', '.join(given) or 'nothing'}, and its `ports` are {', '.join(declared) or 'none'}"
        )
    for name, type_ in declared.items():
        value = given[name]
        shape = [dim.constant if dim.is_number else BATCH for dim in type_.dims]
        size = list(value.shape) if isinstance(value, Tensor) else [len(value)]
        if size != shape[: len(size)]:
            raise Failure(f"its `outputs` gives `{name}` of the sizes {size}; {shape} are expected")


def _ruled(
    search: BoundSearch, batch: int, noting: Callable[[Stepper], Stepper] | None = None, *, sample: int = 0
) -> tuple[Stepper, Cache]:
    """What it steps with, with the rules of its options, and the cache to begin with."""
    decoder: Stepper = SimpleNamespace(step=_step_once if search.policy.steps_once else _step)
    decoder = decoder if noting is None else noting(decoder)
    cache: Cache = _cache(batch, search.beams, sample)
    if search.rules is None:
        return decoder, cache
    return RuledDecoder(decoder, search.rules), search.rules.begin(cache, batch, search.beams)


def _cache(samples: int, beams: int, first: int = 0) -> _Cache:
    numbers = torch.arange(first, first + samples)
    return _Cache(numbers.unsqueeze(1).expand(samples, beams).clone())


def _check_search(search: BoundSearch) -> None:
    texts = _found(search)
    if texts != _found(search):
        cure = "the seed is all it may draw from" if search.policy.seeded else "declare the policy `seeded`"
        raise Failure(f"two searches of the same samples find different texts: {cure}")
    if search.advancing is not None:
        found = _held(found_in_place(search, *_ruled(search, BATCH), BATCH, SEED), search.beams)
        if [[ids for ids, _ in each] for each in found] != [[ids for ids, _ in each] for each in texts]:
            raise Failure("turn by turn (`advance`), it finds other texts than its `search`")
    _check_alone(search, texts)
    _check_reading(search)


def _check_alone(search: BoundSearch, texts: Sequence[Texts]) -> None:
    """Each sample has the texts that it has beside others."""
    for sample, beside in enumerate(texts):
        decoder, cache = _ruled(search, 1, sample=sample)
        (alone,) = _held(search.search(decoder.step, cache, 1, SEED), search.beams)
        if [ids for ids, _ in alone] != [ids for ids, _ in beside]:
            raise Failure(
                f"alone, sample {sample} has the text {list(alone[0][0])}, and beside others {list(beside[0][0])}: "
                "a sample's texts are its own, and so is what is drawn for it"
            )


def _found(search: BoundSearch) -> list[Texts]:
    """The texts of three samples with their scores."""
    decoder, cache = _ruled(search, BATCH)
    return _held(search.search(decoder.step, cache, BATCH, SEED), search.beams)


def _check_reading(search: BoundSearch) -> None:
    """Search once more, and look at what was read."""
    noted: list[_Noting] = []

    def noting(decoder: Stepper) -> Stepper:
        noted.append(_Noting(decoder))
        return noted[0]

    decoder, cache = _ruled(search, BATCH, noting)
    found = _held(search.search(decoder.step, cache, BATCH, SEED), search.beams)
    _hold_what_was_read(found, noted[0].read, search.beams)


def _hold_what_was_read(found: Sequence[Texts], read: Collection[tuple[int, int]], beams: int) -> None:
    """Every token of a text was found by a cache that had read all before it, in that order."""
    for sample, texts in enumerate(found):
        for ids, _ in texts:
            end = next((at for at, token in enumerate(ids) if token in FRAMING.ends), len(ids))
            for length in range(1, min(end, len(ids) - 1, FRAMING.max_tokens) + 1):
                if (sample, _code(ids[:length])) not in read:
                    raise Failure(
                        f"with {beams} beams, it finds the text {list(ids)}, and no cache had read "
                        f"{list(ids[:length])}: go on from the cache that `step` gives, reordered to the beams"
                    )


def _held(found: Sequence[Sequence[Hypothesis]], beams: int) -> list[Texts]:
    """Texts that keep to the framing, with their scores."""
    when = f"with {beams} beams" if beams > 1 else "with one beam"
    for texts in found:
        scores = [text.score for text in texts]
        if scores != sorted(scores, reverse=True):
            raise Failure(f"{when}, a sample's texts are not in order: the best comes first")
        for text in texts:
            _check_ids(tuple(text.ids), when)
    return [[(tuple(text.ids), float(text.score)) for text in texts] for texts in found]


def _check_ids(ids: tuple[object, ...], when: str) -> None:
    frame = FRAMING
    if not ids or ids[0] != frame.start:
        raise Failure(
            f"{when}, a text begins with {ids[:1]}; with the start token, {frame.start}, is expected"
        )
    if not all(isinstance(token, int) for token in ids):
        raise Failure(f"{when}, a text holds a {type(ids[-1]).__name__}; whole numbers are expected")
    tokens = [token for token in ids[1:] if token not in (*frame.ends, frame.pad)]
    if len(tokens) > frame.max_tokens:
        raise Failure(f"{when}, a text has {len(tokens)} tokens, and `max_tokens` is {frame.max_tokens}")
    early = [token for token in ids[1 : 1 + frame.min_tokens] if token in frame.ends]
    if early:
        raise Failure(f"{when}, a text ends before it has {frame.min_tokens} tokens, which `min_tokens` says")


def _check_stream(search: BoundSearch, sample: int) -> None:
    tokens: list[object] = []
    decoder, cache = _ruled(search, 1, sample=sample)
    for token in search.stream(decoder.step, cache, SEED):
        tokens.append(token)
        if len(tokens) > FRAMING.max_tokens:
            raise Failure(f"its stream goes on after {FRAMING.max_tokens} tokens, which `max_tokens` says")
    ends = [token for token in tokens if token in FRAMING.ends]
    if ends:
        raise Failure(f"its stream gives {ends[0]}, a token that ends it and is not given")
    if not all(isinstance(token, int) for token in tokens):
        raise Failure("its stream gives something else than whole numbers")
    advancing = search.advancing is not None
    if advancing and streamed_in_place(search, *_ruled(search, 1, sample=sample), SEED) != tokens:
        raise Failure("turn by turn (`advance`), it streams other tokens than its `stream`")
    decoder, cache = _ruled(search, 1, sample=sample)
    ((best, *_),) = search.search(decoder.step, cache, 1, SEED)
    found = [token for token in best.ids[1:] if token not in FRAMING.ends]
    if tokens != found:
        when = f"with {search.beams} beams" if search.beams > 1 else "with one beam"
        raise Failure(f"{when}, its stream shows another text than its search finds: {tokens}, not {found}")
