"""A whole video-qa answer: encoding beside a forward by hand, the cached beam beside a beam over full prefixes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.measuring import Row, interleaved, ratio
from composer.runtime import INITIAL, load
from composer.types import States, Tokens

__all__ = ["measure"]

BASE = {"frames": 8, "beams": 5, "answer_min_tokens": 10, "answer_max_tokens": 10}
TINY = {
    **BASE,
    **dict.fromkeys(("vision_layers", "text_layers", "fusion_layers", "decoder_layers", "universal_layers"), 1),
    **dict.fromkeys(("vision_width", "hidden"), 64),
    **{"heads": 4, "intermediate": 64, "image_size": 32, "patch_size": 16, "frames": 2, "latents": 4},
}  # fmt: skip
QUESTION = "what is the man in the red shirt doing with the two large boxes?"


class Prefixes(NamedTuple):
    """The state of a decoder without a cache: the memory of every beam, and all tokens so far."""

    decoder: Any
    memory: States
    ids: Tensor
    """[B, K, L] int64."""

    @property
    def device(self) -> torch.device:
        return self.ids.device

    def reorder(self, parents: Tensor) -> Prefixes:
        return self._replace(ids=self.ids.gather(1, parents.unsqueeze(-1).expand_as(self.ids)))

    def select(self, rows: Tensor) -> Prefixes:
        beams = self.ids.shape[1]
        kept = (rows.unsqueeze(1) * beams + torch.arange(beams)).flatten()
        mask = None if self.memory.mask is None else self.memory.mask[kept]
        return self._replace(memory=States(self.memory.values[kept], mask), ids=self.ids[rows])


def step_over_prefixes(last: Tensor, state: Prefixes) -> tuple[Tensor, Prefixes]:
    """Run the decoder over every beam's whole text, keys and values of its memory included."""
    ids = torch.cat((state.ids, last.unsqueeze(-1)), dim=-1)
    rows = ids.flatten(0, 1)
    logits = state.decoder(memory=state.memory, tokens=Tokens(rows, torch.ones_like(rows)))
    return logits[:, -1].unflatten(0, ids.shape[:2]), state._replace(ids=ids)


def measure(*, quick: bool) -> list[Row]:
    """Random weights, batch 1, two threads. Both beams must give the same ids."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.manual_seed(0)
    try:
        return _measure(quick=quick)
    finally:
        torch.set_num_threads(threads)


@torch.inference_mode()
def _measure(*, quick: bool) -> list[Row]:
    rounds = 1 if quick else 5
    model = load("mplug2-base", weights=INITIAL, settings=TINY if quick else BASE, tasks=["video-qa"])
    runner = model.runner("video-qa")
    size = int(model.report.document.parameters["image_size"])  # type: ignore[union-attr]
    clip = torch.randint(256, (24, size, size, 3), dtype=torch.uint8).numpy()
    tensors, _ = runner.inputs.encode({"video": clip, "question": QUESTION}, torch.device("cpu"))
    generator = next(iter(runner.generators.values()))
    slots = runner.program(tensors)
    by_hand = _by_hand(runner, tensors)
    memory = slots[runner.plan.slot(("memory", "states"))]
    torch.testing.assert_close(by_hand().values, memory.values)
    prefixes = _prefix_beam(generator, memory)
    found = {"cached": generator.run(slots), "prefixes": prefixes()}
    ids = {name: [[h.ids for h in texts] for texts in hypotheses] for name, hypotheses in found.items()}
    assert ids["cached"] == ids["prefixes"], "the two searches differ"
    runs: dict[str, Callable[[], Any]] = {
        "encode": lambda: runner.program(tensors),
        "by hand": by_hand,
        "cached": lambda: generator.run(slots),
        "prefixes": prefixes,
    }
    times = interleaved(runs, rounds, time.perf_counter)
    times["answer"] = [a + b for a, b in zip(times["encode"], times["cached"], strict=True)]
    times["slow answer"] = [a + b for a, b in zip(times["encode"], times["prefixes"], strict=True)]
    middle = {name: statistics.median(values) for name, values in times.items()}
    return [
        Row("video-qa, encoding", middle["encode"], "s", "a forward by hand, same modules", middle["by hand"],
            ratio(times, "encode", "by hand"), "<= 1.02"),
        Row("video-qa, beam search with cache", middle["cached"], "s", "beam over full prefixes, same ids",
            middle["prefixes"], ratio(times, "prefixes", "cached"), ">= 6", "times faster"),
        Row("video-qa, whole answer", middle["answer"], "s", "with the beam over full prefixes",
            middle["slow answer"], ratio(times, "slow answer", "answer"), "" if quick else ">= 6", "times faster"),
        Row("video-qa, whole answer", middle["answer"], "s", "the published code on such a machine: encoding 2.3 s, "
            "fusion and beam 14.7 s", None if quick else 17.0, None if quick else 17.0 / middle["answer"],
            "" if quick else ">= 6", "times faster"),
    ]  # fmt: skip


def _by_hand(runner: Any, tensors: Any) -> Callable[[], States]:
    """The encoding of video-qa as a person would write it, over the modules of the program."""
    m = runner.program.modules_by_name
    prepare = runner.program.prepare["input_video"]

    def forward() -> States:
        prepared = prepare(**tensors["video"])
        pixels = prepared["pixels"] if isinstance(prepared, dict) else prepared
        adapted = m["adapter"](states=m["vision"](pixels=pixels))
        visual = m["visual_norm"](states=adapted, update=m["universal"].vision(states=adapted))
        language = m["universal"].text(states=m["text"](tokens=tensors["question"]["tokens"]))
        fused = m["fusion"](text=language, vision=visual)
        masks = [_mask(fused["vision"]), _mask(fused["text"])]
        return States(torch.cat((fused["vision"].values, fused["text"].values), 1), torch.cat(masks, 1))

    return forward


def _mask(states: States) -> Tensor:
    if states.mask is None:
        return torch.ones(states.values.shape[:2], dtype=torch.int64)
    return states.mask


def _prefix_beam(generator: Any, memory: States) -> Callable[[], Any]:
    beams = generator.options.beams
    batch = memory.values.shape[0]

    def run() -> Any:
        mask = None if memory.mask is None else memory.mask.repeat_interleave(beams, 0)
        repeated = States(memory.values.repeat_interleave(beams, 0), mask)
        state = Prefixes(generator.decoder, repeated, torch.empty(batch, beams, 0, dtype=torch.int64))
        return generator.policy.search(step_over_prefixes, state, batch)

    return run
