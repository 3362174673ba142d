"""Wrappers: words that torch and training scripts put before the names of tensors, and the rule that takes them off.

The rule: a wrapper is taken off where the checkpoint fits better without it, and nothing else could be meant.

- `_orig_mod` (torch.compile), `_fsdp_wrapped_module` and `_checkpoint_wrapped_module` are torch's own words. They are
  taken out wherever they stand in a key.
- `module` (DataParallel, DistributedDataParallel) and `model` (Lightning and many scripts) are words of documents,
  too. They are taken off, one after the other, where *every* key begins with them, and no key finds a place as it
  stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from composer.weights.names import first_words
from composer.weights.plan import LoadPlan

__all__ = ["LEADING", "Unwrapped", "common_start", "unwrap"]

ANYWHERE = frozenset(("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"))
LEADING = ("module", "model")


@dataclass(frozen=True)
class Unwrapped:
    """How the keys are read: the plan for them, name → the checkpoint's key, and what was taken off."""

    plan: LoadPlan
    keys: Mapping[str, str]
    taken: tuple[str, ...] = ()

    def as_stored(self) -> LoadPlan:
        """The plan in the checkpoint's own keys."""
        plan, keys = self.plan, self.keys
        return replace(
            plan,
            assignments=tuple(replace(each, key=keys[each.key]) for each in plan.assignments),
            ignored={keys[key]: reason for key, reason in plan.ignored.items()},
            not_needed={keys[key]: module for key, module in plan.not_needed.items()},
            unexpected={keys[key]: name for key, name in plan.unexpected.items()},
            claimed_twice={n: tuple(keys[key] for key in found) for n, found in plan.claimed_twice.items()},
        )


def unwrap(keys: Iterable[str], planned: Callable[[Iterable[str]], LoadPlan]) -> Unwrapped:
    """Plan the loading of a checkpoint, without wrappers where the rule takes them off."""
    best = Unwrapped(planned(names := {key: key for key in keys}), names)
    if not best.plan.unexpected:
        return best
    for found in _readings(names):
        plan = planned(found.keys)
        fits_better = len(plan.assignments) > len(best.plan.assignments)
        # What only torch writes may be gone from some keys alone; other words must have kept every key from its place.
        certain = set(found.taken) <= ANYWHERE or not best.plan.assignments
        if fits_better and certain:
            best = Unwrapped(plan, found.keys, found.taken)
    return best


@dataclass(frozen=True)
class _Reading:
    keys: Mapping[str, str]
    taken: tuple[str, ...]


def _readings(names: Mapping[str, str]) -> Iterator[_Reading]:
    """Every way to read the keys with fewer words, each with one word fewer than the one before."""
    inside = [word for word in sorted(ANYWHERE) if any(word in name.split(".") for name in names)]
    plain = {
        ".".join(part for part in name.split(".") if part not in ANYWHERE): key for name, key in names.items()
    }
    if len(plain) < len(names):  # two keys would become one
        return
    taken = tuple(inside)
    if taken:
        yield _Reading(plain, taken)
    while plain and (words := first_words(plain))[0] in LEADING and len(words) == 1:
        plain = {name.partition(".")[2]: key for name, key in plain.items()}
        if "" in plain:
            return
        taken = (*taken, words[0])
        yield _Reading(plain, taken)


def common_start(keys: Iterable[str]) -> str:
    """The words that every key begins with, joined by dots; "" where the first words differ."""
    names = [key.split(".")[:-1] for key in keys]
    start: list[str] = []
    for words in zip(*names, strict=False):
        if len(set(words)) > 1:
            break
        start.append(words[0])
    return ".".join(start)
