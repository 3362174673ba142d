"""The whole recorded models: question answering and captioning, from pixels to loss, search and ranking."""

from __future__ import annotations

import pytest
import torch
from composer_mplug2.configs import AnswerLossConfig, SearchConfig, SequenceLossConfig
from composer_mplug2.losses import build_answer_loss, build_caption_loss
from composer_mplug2.search import Mplug2Search

from composer.plugin import Framing
from composer.types import States, Tokens

ANSWERING, CAPTIONING = ("videoqa", "imageqa"), ("videocaption", "imagecaption")


def seen_states(case) -> States:
    """Pixels to the vision states that the decoder or the fusion reads."""
    names = ["vision", "universal", "visual_norm"]
    wide = case.config["bert"]["hidden_size"] != case.config["clip"]["vision_width"]
    vision, universal, norm, *adapter = case.modules(*names, *(["adapter"] if wide else []))
    states = vision(pixels=case.inputs["video"])
    for module in adapter:
        states = module(states=states)
    return norm(states=states, update=universal.vision(states=states))


def memory_of(case) -> States:
    """What the decoder of this case reads."""
    visual = seen_states(case)
    if case.config["kind"] == "videocaption":
        return visual
    text, universal, fusion = case.modules("text", "universal", "fusion")
    words = universal.text(states=text(tokens=tokens_of(case, "question")))
    fused = fusion(text=words, vision=visual)
    ones = torch.ones(visual.values.shape[:2], dtype=torch.int64)
    return States(
        torch.cat((fused["vision"].values, fused["text"].values), dim=1), torch.cat((ones, words.mask), dim=1)
    )


def tokens_of(case, name) -> Tokens:
    return Tokens(case.inputs[f"{name}_ids"], case.inputs[f"{name}_mask"])


def search_of(case, beams: int) -> Mplug2Search:
    model = case.config["model"]
    framing = Framing(101, (102,), 0, min_tokens=model["min_length"], max_tokens=model["max_length"])
    return Mplug2Search(config=SearchConfig(beams=beams), framing=framing)


@pytest.mark.parametrize("kind", ANSWERING)
def test_answering(golden, close, outputs_of, kind) -> None:
    case = golden(kind)
    memory = memory_of(case)
    assert torch.equal(memory.mask, case.outputs["encoder_states_mask"])
    vision_length = case.outputs["image_embeds"].shape[1]
    close(memory.values[:, :vision_length], case.outputs["fusion.image"])
    close(memory.values[:, vision_length:], case.outputs["fusion.text"])
    (decoder,) = case.modules("decoder")
    seen = outputs_of(decoder, "embeddings", *(f"layers.{n}" for n in range(len(decoder.layers))))
    counts = case.inputs["answers_per_question"]
    rows = torch.repeat_interleave(counts)
    answers = tokens_of(case, "answer")
    logits = decoder(memory=States(memory.values[rows], memory.mask[rows]), tokens=answers)
    close(seen["embeddings"], case.outputs["dec.embeddings"], 1e-5)
    for number in range(len(decoder.layers)):
        close(seen[f"layers.{number}"], case.outputs[f"dec.layer{number}"])
    close(logits, case.outputs["dec.logits"])
    loss = build_answer_loss(AnswerLossConfig())
    close(loss.per_answer(logits=logits, answers=answers), case.outputs["dec.loss_per_answer"])
    weighted = loss(logits=logits, answers=answers, weights=case.inputs["weights"], counts=counts)
    close(weighted, case.outputs["loss"])


@pytest.mark.parametrize("kind", ANSWERING)
def test_text_states(golden, close, outputs_of, kind) -> None:
    case = golden(kind)
    text, universal = case.modules("text", "universal")
    seen = outputs_of(text, "embeddings", "layers.0")
    close(universal.text(states=text(tokens=tokens_of(case, "question"))).values, case.outputs["text_embeds"])
    close(seen["embeddings"], case.outputs["text.embeddings"], 1e-5)
    close(seen["layers.0"], case.outputs["text.layer0"])


@pytest.mark.parametrize("kind", CAPTIONING)
def test_captioning(golden, close, outputs_of, kind) -> None:
    case = golden(kind)
    (decoder,) = case.modules("decoder")
    seen = outputs_of(decoder, "embeddings", *(f"layers.{n}" for n in range(len(decoder.layers))))
    captions = tokens_of(case, "caption")
    logits = decoder(memory=memory_of(case), tokens=captions)
    close(seen["embeddings"], case.outputs["dec.embeddings"], 1e-5)
    for number in range(len(decoder.layers)):
        close(seen[f"layers.{number}"], case.outputs[f"dec.layer{number}"])
    close(logits, case.outputs["dec.logits"])
    prompt_tokens = case.layout.parameters(case.config)["video_prompt_tokens"]
    assert (case.outputs["targets"][:, :prompt_tokens] == -100).all()
    loss = build_caption_loss(SequenceLossConfig(prompt_tokens=prompt_tokens))
    close(loss(logits=logits, captions=captions), case.outputs["loss"])


@pytest.mark.parametrize("search", ["beam", "greedy"])
@pytest.mark.parametrize("kind", ANSWERING + CAPTIONING)
def test_generation(golden, close, kind, search) -> None:
    case = golden(kind)
    (decoder,) = case.modules("decoder")
    beams = case.config["model"]["beam_size"] if search == "beam" else 1
    policy = search_of(case, beams)
    memory = memory_of(case)
    cache = decoder.start(memory=memory, beams=beams, max_tokens=policy.framing.max_tokens)
    found = policy.search(decoder.step, cache, memory.values.shape[0])
    for sample, texts in enumerate(found):
        count = int(case.outputs[f"gen.{search}.count"][sample])
        recorded = case.outputs[f"gen.{search}.ids"][sample, :count]
        assert [text.ids for text in texts] == [[i for i in row.tolist() if i >= 0] for row in recorded]
        scores = torch.tensor([text.score for text in texts])
        close(scores, case.outputs[f"gen.{search}.scores"][sample, :count])


@pytest.mark.parametrize("kind", ANSWERING + CAPTIONING)
def test_one_sample_streams_what_the_batch_found(golden, kind) -> None:
    case = golden(kind)
    (decoder,) = case.modules("decoder")
    policy = search_of(case, 1)
    memory = memory_of(case)
    for sample in range(memory.values.shape[0]):
        alone = States(memory.values[[sample]], None if memory.mask is None else memory.mask[[sample]])
        cache = decoder.start(memory=alone, beams=1, max_tokens=policy.framing.max_tokens)
        recorded = [i for i in case.outputs["gen.greedy.ids"][sample, 0].tolist() if i not in (-1, 101, 102)]
        assert list(policy.stream(decoder.step, cache)) == recorded


@pytest.mark.parametrize("kind", ANSWERING)
def test_ranking(golden, close, kind) -> None:
    case = golden(kind)
    (decoder,) = case.modules("decoder")
    ranked = decoder.rank(
        memory=memory_of(case), candidates=tokens_of(case, "cand"), top=case.config["rank_k"]
    )
    assert torch.equal(ranked["ids"], case.outputs["rank.topk_ids"])
    close(ranked["probabilities"], case.outputs["rank.topk_probs"])
