"""Media inside text: the count is proven, the merge answers alone as in a batch, live and compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import composer
from composer.execution import Model
from composer.language import Source
from composer.problems import InputError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij", ":"]
DOCUMENT = """\
composer: 1
name: prompts
parameters: {padding: right, places: 5}
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 16, patch_size: 8, width: 16, heads: 2, layers: 1}}
  text:   {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, vocabulary: 16, positions: 64}}
  fusion: {uses: mplug2.fusion, with: {hidden: 16, heads: 2, layers: 1}}
tasks:
  ask:
    inputs:
      prompt:
        modality: prompt
        with:
          template: "a: {image} {question} [SEP] b:"
          tokenizer: words.txt
          media: {image: $places}
          padding: $padding
          max_tokens: 40
      image: {modality: image, with: {size: 16}, HOW}
    nodes:
      seen:   {call: vision.image, inputs: {pixels: image.pixels}}
      words:  {call: text, inputs: {tokens: prompt.tokens, positions: prompt.positions}}
      mixed:  {uses: core.fill, inputs: {text: words, media: seen, places: prompt.image}}
      vector: {uses: core.pool, inputs: {states: mixed.states}}
    outputs: {vector: vector, states: mixed.states, filled: mixed.filled}
    compile: {ranges: {batch: "1..3", prompt.length: "4..32"}}
"""
SEVERAL = DOCUMENT.replace("HOW", "repeated: {at_most: 3}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prompts")
    (path / "words.txt").write_text("\n".join(WORDS) + "\n")
    (path / "several.yaml").write_text(SEVERAL)
    (path / "one.yaml").write_text(DOCUMENT.replace(", HOW", ""))
    return path


@pytest.fixture(scope="module", params=["right", "left"])
def live(request: pytest.FixtureRequest, folder: Path) -> Model:
    return composer.load(folder / "several.yaml", weights="initial", settings={"padding": request.param})


def picture(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)


def same(one: Any, other: Any) -> None:
    torch.testing.assert_close(torch.as_tensor(one), torch.as_tensor(other), atol=1e-5, rtol=1e-4)


PROMPTS = ["c d", "[SEP] {image} e", "f g h i j a b c"]
PICTURES: list[list[Any]] = [[picture(0), picture(1)], [], [picture(2)]]


def answers_alone_as_together(model: Any, how: list[Any], prompts: list[str]) -> Any:
    together = model.run("ask", prompt=prompts, image=how)
    for row, (pictures, text) in enumerate(zip(how, prompts, strict=True)):
        alone = model.run("ask", prompt=text, image=pictures)
        same(alone["vector"], together["vector"][row])
    return together


def test_a_batch_answers_as_each_alone(live: Model) -> None:
    together = answers_alone_as_together(live, PICTURES, PROMPTS)
    assert together["filled"].sum(1).tolist() == [10, 0, 5]
    session = live.session("ask", image=PICTURES[0])
    same(session.ask(prompt=PROMPTS[0])["vector"], together["vector"][0])
    none = live.run("ask", prompt=PROMPTS[1])
    same(none["vector"], together["vector"][1])


def test_each_position_has_the_state_of_its_picture(live: Model) -> None:
    together = live.run("ask", prompt=PROMPTS, image=PICTURES)
    states, filled = together["states"].values, together["filled"].bool()
    method = live.report.modules["vision"].type.methods["image"].attribute
    encode = getattr(live.modules["vision"], method)
    prepare = live.runner("ask").program.prepare[0]
    for row, pictures in enumerate(PICTURES):
        found = states[row][filled[row]].reshape(len(pictures), 5, 16)
        for one, picture_ in zip(found, pictures, strict=True):
            pixels = prepare(frames=torch.from_numpy(picture_)[None, None])
            pixels = pixels if torch.is_tensor(pixels) else pixels["pixels"]
            with torch.inference_mode():
                same(one, encode(pixels=pixels).values[0])


def test_what_a_user_types_changes_no_place(live: Model) -> None:
    plain = live.run("ask", prompt="d", image=[picture(0)])
    typed = live.run("ask", prompt="{image} [SEP] [MASK] d", image=[picture(0)])
    assert plain["filled"].sum() == typed["filled"].sum() == 5


def test_one_picture_for_each_sample(folder: Path) -> None:
    model = composer.load(folder / "one.yaml", weights="initial")
    together = answers_alone_as_together(model, [picture(n) for n in range(3)], PROMPTS)
    assert together["filled"].sum(1).tolist() == [5, 5, 5]
    with pytest.raises(InputError, match="needs the input `image`"):
        model.run("ask", prompt="a")


def test_a_session_that_keeps_the_prompt_keeps_its_pictures(live: Model) -> None:
    with pytest.raises(InputError, match="`prompt` is read together with `image`: give both"):
        live.session("ask", prompt="a")


@pytest.mark.parametrize("places", [1, 4, 6, 39])
def test_the_count_is_proven(places: int, folder: Path) -> None:
    report = composer.check(folder / "several.yaml", settings={"places": places})
    (problem,) = report.errors
    assert problem.code == "C203"
    assert f"positions {places} ≠ 5" in problem.message
    assert any("media.image to 5" in help_ for help_ in problem.helps)
    assert any("is 5 because of this" in note.label for note in problem.notes)


def test_a_name_that_no_input_has_is_told(folder: Path) -> None:
    text = SEVERAL.replace("{image} {q", "{imge} {q").replace("media: {image", "media: {imge")
    text = text.replace("prompt.image", "prompt.imge").replace("words.txt", "bert-uncased")
    report = composer.check(Source("it.yaml", text.replace("vocabulary: 16, ", "")))
    (problem,) = report.errors
    assert problem.code == "C273"
    assert "did you mean `image`?" in problem.helps


@pytest.mark.slow
@pytest.mark.parametrize("document", ["several", "one"])
def test_compiled_as_live(document: str, folder: Path) -> None:
    import composer_compile

    from composer.weights import save_weights

    model = composer.load(folder / f"{document}.yaml", weights="initial")
    weights = folder / f"{document}.safetensors"
    save_weights(model.modules, weights)
    out = folder / document
    composer_compile.compile_document(folder / f"{document}.yaml", out, weights=weights)
    pictures = PICTURES if document == "several" else [picture(n) for n in range(3)]
    with composer_compile.load(out) as artifact:
        ours = answers_alone_as_together(artifact, pictures, PROMPTS)
    theirs = model.run("ask", prompt=PROMPTS, image=pictures)
    same(ours["vector"], theirs["vector"])
    assert ours["filled"].tolist() == theirs["filled"].tolist()


def test_the_merge_is_static_and_exports() -> None:
    """Media of any number into texts of any length, by a program that was exported once."""
    from composer_core.joining import Fill

    from composer.types import States

    class Bare(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fill = Fill()

        def forward(self, text: Any, media: Any, slots: Any) -> Any:
            return self.fill(text=States(text), media=States(media), places=slots)["states"].values

    def made(batch: int, length: int, pictures: int) -> tuple[Any, Any, Any]:
        draw = torch.Generator().manual_seed(length)
        slots = torch.randint(-1, pictures * 3, (batch, length), generator=draw)
        text, media = (torch.rand(*shape, 8, generator=draw) for shape in ((batch, length), (pictures, 3)))
        return text, media, slots

    batch, length, pictures = (torch.export.Dim(name) for name in ("batch", "length", "pictures"))
    shapes = ({0: batch, 1: length}, {0: pictures}, {0: batch, 1: length})
    program = torch.export.export(Bare(), made(2, 5, 3), dynamic_shapes=shapes).module()
    for sizes in ((2, 7, 4), (3, 40, 9), (5, 6, 2)):
        text, media, slots = made(*sizes)
        found, flat = program(text, media, slots), media.flatten(0, 1)
        for row, place in np.ndindex(*sizes[:2]):
            slot = int(slots[row, place])
            assert torch.equal(found[row, place], text[row, place] if slot < 0 else flat[slot])


def test_whoever_reads_an_input_by_itself_says_what_it_counts(live: Model) -> None:
    """As training does, which has the samples of a batch and no request."""
    host = live.runner("ask").inputs.host
    counts = host.counts("prompt", lambda other: PICTURES)
    assert counts == {"image": [2, 0, 1]}
    assert host.counts("image", lambda other: []) is None
    alone = host.encode("prompt", PROMPTS, counts)
    together = host.arrays({"prompt": PROMPTS, "image": PICTURES}, ["prompt"])["prompt"]
    assert alone["image"].tolist() == together["image"].tolist()
    with pytest.raises(InputError, match="read together with the input `image`"):
        host.encode("prompt", PROMPTS)


WRITTEN = """\
composer: 1
name: written
modules:
  vision:  {uses: mplug2.vision_encoder, with: {image_size: 16, patch_size: 8, width: 16, heads: 2, layers: 1}}
  text:    {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, vocabulary: 16, positions: 64}}
  decoder:
    uses: mplug2.text_decoder
    with: {hidden: 16, heads: 2, layers: 1, vocabulary: 16, tokenizer: words.txt, start: 2, end: 3, pad: 0}
tasks:
  ask:
    inputs:
      image: {modality: image, with: {size: 16}, HOW}
      said:  {modality: text, with: {tokenizer: words.txt, max_tokens: 8}}
    nodes:
      words:    {call: text, inputs: {tokens: said.tokens}}
      question: {generate: decoder, inputs: {memory: words.states}, with: {min_tokens: 1, max_tokens: 4}}
      prompt:
        modality: prompt
        inputs: {question: question.text, ITEMS}
        with: {template: "a: {image} {question} [SEP] b:", tokenizer: words.txt, media: {image: 5}, max_tokens: 40}
      seen:   {call: vision.image, inputs: {pixels: image.pixels}}
      asked:  {call: text, inputs: {tokens: prompt.tokens, positions: prompt.positions}}
      mixed:  {uses: core.fill, inputs: {text: asked, media: seen, places: prompt.image}}
      vector: {uses: core.pool, inputs: {states: mixed.states}}
      answer: {generate: decoder, inputs: {memory: mixed.states}, with: {min_tokens: 1, max_tokens: 3}}
    outputs: {question: question.text, vector: vector, filled: mixed.filled, answer: answer.text}
    compile: {ranges: {batch: "1..3", prompt.length: "6..32"}}
"""


def written(folder: Path, how: str, items: str, name: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(WRITTEN.replace(", HOW", how).replace(", ITEMS", items))
    return path


def test_a_question_that_a_node_wrote_goes_into_a_prompt_with_pictures(folder: Path) -> None:
    model = composer.load(
        written(folder, ", repeated: {at_most: 3}", ", image: image.items", "written-several"),
        weights="initial",
    )
    together = model.run("ask", said=PROMPTS, image=PICTURES)
    assert together["filled"].sum(1).tolist() == [10, 0, 5]
    assert all(together["question"])
    for row, (pictures, text) in enumerate(zip(PICTURES, PROMPTS, strict=True)):
        alone = model.run("ask", said=text, image=pictures)
        assert (alone["question"], alone["answer"]) == (together["question"][row], together["answer"][row])
        same(alone["vector"], together["vector"][row])


def test_a_written_prompt_has_one_picture_for_each_sample_where_nothing_counts_them(folder: Path) -> None:
    model = composer.load(written(folder, "", "", "written-one"), weights="initial")
    together = model.run("ask", said=PROMPTS, image=[picture(n) for n in range(3)])
    assert together["filled"].sum(1).tolist() == [5, 5, 5]
    assert (
        "".join(model.stream("ask", said="c", image=picture(1)))
        == model.run("ask", said="c", image=picture(1))["answer"]
    )


@pytest.mark.parametrize(
    ("how", "items", "code", "told"),
    [
        (", repeated: {at_most: 3}", "", "C273", "add `image: image.items`"),
        (", optional: true", "", "C273", "add `image: image.items`"),
        ("", ", image: image.pixels", "C202", "leave `image` out"),
        (", repeated: {at_most: 3}", ", image: image.pixels", "C202", "before this node: image.items"),
        (", repeated: {at_most: 3}", ", image: image", "C214", "`image.items`"),
        ("", ", image: said.tokens", "C202", "leave `image` out"),
    ],
)
def test_what_a_written_prompt_counts_is_one_problem(
    folder: Path, how: str, items: str, code: str, told: str
) -> None:
    report = composer.check(written(folder, how, items, "written-faulty"))
    (problem,) = report.errors
    assert problem.code == code
    assert any(told in each for each in problem.helps), problem
