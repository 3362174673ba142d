"""The text decoder against recorded values: whole texts, step by step, several texts per picture, and the losses."""

from __future__ import annotations

import pytest
import torch
from composer_mplug2.configs import AnswerLossConfig, SequenceLossConfig
from composer_mplug2.losses import build_answer_loss, build_caption_loss
from composer_mplug2.masks import causal_mask, cross_mask, self_mask

from composer.types import States, Tokens


@pytest.fixture(scope="module")
def case(golden):
    return golden("decoder")


@pytest.fixture
def decoder(case):
    return case.modules("decoder")[0]


@pytest.fixture(scope="module")
def memory(case) -> States:
    return States(case.inputs["states"], case.inputs["states_mask"])


@pytest.fixture(scope="module")
def tokens(case) -> Tokens:
    return Tokens(case.inputs["ids"], case.inputs["mask"])


def test_every_layer(case, decoder, memory, tokens, close, outputs_of) -> None:
    seen = outputs_of(decoder, "embeddings", *(f"layers.{n}" for n in range(3)))
    logits = decoder(memory=memory, tokens=tokens)
    close(seen["embeddings"], case.outputs["embeddings"], 1e-5)
    for number in range(3):
        close(seen[f"layers.{number}"], case.outputs[f"layer{number}"])
    close(logits, case.outputs["logits"])
    close(logits[:, :-1], case.outputs["return_logits"])


def test_without_a_mask_of_the_tokens(case, decoder, memory, close) -> None:
    logits = decoder(memory=memory, tokens=Tokens(case.inputs["ids"], None))
    close(logits, case.outputs["nomask.logits"])


def test_its_blocks_also_work_as_an_encoder(case, decoder, memory, tokens, close) -> None:
    hidden = decoder.embeddings(tokens.ids)
    memory_mask = cross_mask(memory.mask, hidden.dtype)
    for layer, seen in zip(decoder.layers, decoder.project(memory.values), strict=True):
        mask = self_mask(tokens.mask, hidden.dtype)
        hidden = layer(hidden, mask=mask, memory=seen, memory_mask=memory_mask)
    close(decoder.head(hidden, decoder.embeddings.words.weight), case.outputs["encoder_mode.logits"])


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("beams", [1, 3])
def test_steps_are_the_whole_text(decoder, memory, tokens, beams, masked) -> None:
    """Every beam reads another text; the beams change places on the way, and their pasts with them."""
    memory = memory if masked else States(memory.values)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 120, (3, beams, 6), generator=generator)
    cache = decoder.start(memory=memory, beams=beams, max_tokens=6)
    for place in range(6):
        logits, cache = decoder.step(ids[:, :, place], cache)
        for beam in range(beams):
            whole = decoder(memory=memory, tokens=Tokens(ids[:, beam, : place + 1], None))
            torch.testing.assert_close(logits[:, beam], whole[:, -1], rtol=1e-4, atol=1e-4)
        if place == 3:
            parents = torch.stack([torch.randperm(beams, generator=generator) for _ in range(3)])
            cache = cache.reorder(parents)
            ids = ids.gather(1, parents.unsqueeze(-1).expand_as(ids))


def test_a_step_changes_nothing_that_it_was_given(decoder, memory, tokens) -> None:
    cache = decoder.start(memory=memory, beams=2, max_tokens=4)
    ids = tokens.ids[:, :2]
    first, _ = decoder.step(ids, cache)
    again, _ = decoder.step(ids, cache)
    assert torch.equal(first, again)
    assert not cache.past.keys.any()


def test_a_step_may_be_compiled(decoder, memory, tokens) -> None:
    """Its cache comes whole out of torch.compile, which in torch 2.11 empties what `_replace` gives."""
    cache = decoder.start(memory=memory, beams=2, max_tokens=4)
    ids, parents = tokens.ids[:, :2], torch.tensor([[1, 0]]).expand(3, -1)
    _, after = decoder.step(ids, cache)
    expected, _ = decoder.step(ids, after.reorder(parents))
    with torch.no_grad():
        step = torch.compile(lambda given: decoder.step(ids, given)[1].reorder(parents), backend="eager")
        found, _ = decoder.step(ids, step(cache))
    torch.testing.assert_close(found, expected)


def test_the_memory_is_projected_once_per_sample(decoder, memory) -> None:
    cache = decoder.start(memory=memory, beams=5, max_tokens=4)
    assert {tuple(layer.keys.shape) for layer in cache.memory} == {(3, 4, 14, 16)}
    assert tuple(cache.past.keys.shape) == (3, 3, 5, 4, 4, 16)


def test_selected_samples_go_on_alone(decoder, memory, tokens) -> None:
    cache = decoder.start(memory=memory, beams=2, max_tokens=4)
    ids = tokens.ids[:, :2]
    _, cache = decoder.step(ids, cache)
    expected, _ = decoder.step(ids, cache)
    rows = torch.tensor([2, 0])
    found, _ = decoder.step(ids[rows], cache.select(rows))
    torch.testing.assert_close(found, expected[rows])


def test_several_texts_per_picture_are_the_repeated_picture(decoder, memory, tokens, close) -> None:
    vision, counts, rows = States(memory.values[:2]), torch.tensor([2, 1]), torch.tensor([0, 0, 1])
    text = States(memory.values[:, :5], memory.mask[:, 9:])
    grouped = decoder.grouped(vision=vision, text=text, counts=counts, tokens=tokens)
    mask = torch.cat((torch.ones(3, 14, dtype=torch.int64), text.mask), dim=1)
    joined = States(torch.cat((vision.values[rows], text.values), dim=1), mask)
    close(grouped, decoder(memory=joined, tokens=tokens), 1e-5)


@pytest.fixture(scope="module")
def soft(case):
    return case.inputs["soft_labels"]


def test_answer_loss(case, tokens, soft, close) -> None:
    logits = case.outputs["logits"]
    plain, mixed = build_answer_loss(AnswerLossConfig()), build_answer_loss(AnswerLossConfig(alpha=0.4))
    close(plain.per_answer(logits=logits, answers=tokens), case.outputs["lm.loss_none"])
    recorded = case.outputs["lm.loss_soft_alpha0.4"]
    close(mixed.per_answer(logits=logits, answers=tokens, soft_labels=soft), recorded)
    close(plain.per_answer(logits=logits, answers=tokens, soft_labels=soft), case.outputs["lm.loss_none"])


def test_caption_loss(case, tokens, soft, close) -> None:
    logits = case.outputs["logits"]
    plain, mixed = build_caption_loss(SequenceLossConfig()), build_caption_loss(SequenceLossConfig(alpha=0.4))
    close(plain(logits=logits, captions=tokens), case.outputs["prefix.loss_mean"])
    recorded = case.outputs["prefix.loss_soft_alpha0.4"]
    close(mixed(logits=logits, captions=tokens, soft_labels=soft), recorded)


def test_the_heads_weight_is_the_word_embeddings(decoder) -> None:
    names = [
        name for name, tensor in decoder.named_parameters() if tensor.shape[0] == 128 and tensor.dim() == 2
    ]
    assert names[0] == "embeddings.words.weight"
    assert all(name.startswith(("embeddings", "layers")) for name in names)


def test_norms_have_the_eps_of_bert(decoder) -> None:
    assert {part.eps for part in decoder.modules() if isinstance(part, torch.nn.LayerNorm)} == {1e-12}


@pytest.mark.parametrize(
    ("make", "dtype", "penalty"),
    [
        (self_mask, torch.float32, -1e4),
        (self_mask, torch.float16, -1e4),
        (cross_mask, torch.float32, -1e9),
        (cross_mask, torch.bfloat16, -1e9),
        (cross_mask, torch.float16, -1e4),
        (causal_mask, torch.float32, -1e4),
    ],
)
def test_masks_have_the_published_constants(make, dtype, penalty) -> None:
    added = make(torch.tensor([[1, 1, 0]]), dtype)
    assert added.dtype == dtype
    assert added[0, 0, -1].tolist() == torch.tensor([0, 0, penalty]).to(dtype).tolist()
    assert make(None, dtype) is None
