"""What is given to a task: odd pictures, clips and texts that work (docs/inputs.md), and those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import composer as public
from composer.execution import Model
from composer.problems import InputError

ODD_PICTURES = (
    "dot.png", "animated.gif", "cmyk.jpg", "deep.png", "alpha.png", "palette.png", "grey.png", "bits.png", "line.png",
)  # fmt: skip
BAD_PICTURES = {
    "missing.png": "does not exist",
    "directory.png": "is a directory",
    "empty.png": "is an empty file",
    "text.png": "is not a picture",
    "binary.png": "is not a picture",
    "huge.png": "is not a picture",
    "truncated.png": "is damaged or cut short",
    "float.tiff": "has pixel values of unknown range",
}
BAD_CLIPS = {
    "missing.mp4": "does not exist",
    "directory.mp4": "is a directory",
    "empty.mp4": "is an empty file",
    "text.mp4": "cannot be decoded as video",
    "binary.mp4": "cannot be decoded as video",
    "huge.mp4": "cannot be decoded as video",
    "head.mp4": "has no frame",
    "truncated.mp4": "is cut short",
    "no_frame.avi": "has no frame",
    "sound.wav": "has no frame: it holds no video",
}


@pytest.fixture(scope="module")
def model(tiny) -> Model:
    return public.load(tiny.document, weights=tiny.weights)


def pixels(model: Model, task: str, **raw: object) -> torch.Tensor:
    """What the vision encoder sees of an input."""
    runner = model.runner(task)
    tensors, _ = runner.inputs.encode(raw, model.device)
    slots = runner.program.load_inputs(tensors)
    (name,) = raw
    return slots[runner.plan.slot((name, "pixels"))]


@pytest.mark.parametrize("name", ODD_PICTURES)
def test_an_odd_picture_has_an_answer(composer, tiny, pictures: Path, name: str) -> None:
    done = composer(
        "run", f"{tiny.document}:image-caption", "--weights", tiny.weights, f"image={pictures / name}"
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("caption: ")


@pytest.mark.parametrize(("name", "same_as"), [("animated.gif", "whole.png"), ("alpha.png", "whole.png")])
def test_an_odd_picture_is_read_as_documented(model, pictures: Path, name: str, same_as: str) -> None:
    """The first frame of an animation; a picture that is opaque although it could be transparent."""
    first, second = (pixels(model, "image-caption", image=pictures / each) for each in (name, same_as))
    # A GIF has 256 colours of the picture's many; the second frame would be upside down.
    torch.testing.assert_close(first, second, rtol=0, atol=0.5 if "gif" in name else 0)


def test_sixteen_bits_are_scaled_to_eight(model, pictures: Path) -> None:
    found = pixels(model, "image-caption", image=pictures / "deep.png")
    assert found.max() - found.min() > 3  # the whole range of the picture, not its top clipped to white


def test_a_single_pixel_fills_the_square(model, pictures: Path) -> None:
    found = pixels(model, "image-caption", image=pictures / "dot.png")
    assert torch.equal(found, found[..., :1, :1].expand_as(found))


def test_a_clip_of_one_frame_repeats_it(composer, model, tiny, clips: Path) -> None:
    found = pixels(model, "video-caption", video=clips / "one_frame.mp4")
    assert torch.equal(found[:, :, 0], found[:, :, 1])
    done = composer(
        "run", f"{tiny.document}:video-caption", "--weights", tiny.weights, f"video={clips / 'one_frame.mp4'}"
    )
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("task", "what", "name", "message"),
    [
        *[("image-caption", "image", name, message) for name, message in BAD_PICTURES.items()],
        *[("video-caption", "video", name, message) for name, message in BAD_CLIPS.items()],
    ],
)
def test_a_file_that_cannot_be_seen_is_one_line(
    composer, model, tiny, pictures, clips, task: str, what: str, name: str, message: str
) -> None:
    path = (pictures if what == "image" else clips) / name
    done = composer("run", f"{tiny.document}:{task}", "--weights", tiny.weights, f"{what}={path}")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("composer: error: ")
    assert str(path) in done.err
    assert message in done.err
    assert done.err.count("\n") == 1
    with pytest.raises(InputError, match=message):
        model.run(task, **{what: path})


def test_a_picture_where_a_clip_belongs_is_a_clip_of_one_frame(model, tiny) -> None:
    found = pixels(model, "video-caption", video=tiny.picture)
    assert torch.equal(found[:, :, 0], found[:, :, 1])


def test_a_clip_where_a_picture_belongs_is_one_line(composer, tiny) -> None:
    done = composer("run", f"{tiny.document}:image-caption", "--weights", tiny.weights, f"image={tiny.clip}")
    assert (done.code, done.out) == (1, "")
    assert "is not a picture that can be read" in done.err


@pytest.mark.parametrize(
    "question", ["", " ", "?!", "\u200b", "the " * 10_000, "x" * 10_000, "\u4f60\u597d", "a\0b"]
)
def test_any_text_has_an_answer(model, tiny, question: str) -> None:
    assert isinstance(model.run("image-qa", image=tiny.picture, question=question)["answer"], str)


def test_an_empty_question_is_the_start_token_alone(model) -> None:
    tokens = model.runner("image-qa").inputs.host.processors["question"].encode([""])["tokens"]
    assert tokens.ids.tolist() == [[101]]


def test_a_question_beyond_the_positions_is_cut(composer, model, tiny) -> None:
    long = " ".join(["what"] * 40)
    cut = " ".join(["what"] * 23)  # [CLS] takes the first of the 24 positions
    expected = model.run("image-qa", image=tiny.picture, question=cut)["answer"]
    assert model.run("image-qa", image=tiny.picture, question=long)["answer"] == expected
    done = composer(
        "run",
        f"{tiny.document}:image-qa",
        "--weights",
        tiny.weights,
        f"image={tiny.picture}",
        f"question={long}",
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"answer: {expected}\n")


def test_a_text_longer_than_a_limit_that_nobody_set_is_one_line(composer, tiny, tmp_path: Path) -> None:
    """The input allows 512 tokens, the encoder knows 24 positions: texts up to 24 are fine."""
    path = tmp_path / "long.yaml"
    path.write_text(
        "composer: 1\nname: long\n"
        "modules:\n  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, positions: 24}}\n"
        "tasks:\n  embed:\n"
        "    inputs: {question: {modality: text, with: {tokenizer: bert-uncased}}}\n"
        "    nodes:\n"
        "      words: {call: text, inputs: {tokens: question.tokens}}\n"
        "      vector: {uses: core.pool, inputs: {states: words.states}}\n"
        "    outputs: {vector: vector.embedding}\n"
    )
    call = ["run", path, "--weights", "initial", "--json"]
    assert composer(*call, f"question={'what ' * 22}").code == 0
    done = composer(*call, f"question={'what ' * 23}")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "composer: error: input `question` has 25 tokens, and task `embed` takes at most 24; "
        "shorten it, or set its `max_tokens` to 24\n"
    )


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "needs the input `image` and `question`"),
        (["question=who"], "needs the input `image`"),
        (["image=PICTURE"], "needs the input `question`"),
        (["image=PICTURE", "question=who", "video=x.mp4"], "has no input `video`"),
        (["picture=PICTURE", "question=who"], "has no input `picture`"),
        (["image=PICTURE", "qestion=who"], "did you mean `question`?"),
        (
            ["image=PICTURE", "image=PICTURE", "question=a", "question=b", "question=c"],
            "unequal numbers of values",
        ),
        (["image=", "question=who"], "the path of the picture is empty"),
        (
            ["image=https://a.org/b.png", "question=who"],
            "picture https://a.org/b.png cannot be read: it is an address",
        ),
        (["image=file:///b.png", "question=who"], "nothing is fetched; save it as a file"),
    ],
)
def test_inputs_that_do_not_do_are_one_line(composer, tiny, inputs: list[str], message: str) -> None:
    given = [text.replace("PICTURE", str(tiny.picture)) for text in inputs]
    done = composer("run", f"{tiny.document}:image-qa", "--weights", tiny.weights, *given)
    assert (done.code, done.out) == (1, "")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_an_input_without_a_name_is_wrong_usage(composer, tiny) -> None:
    done = composer("run", f"{tiny.document}:image-qa", "--weights", tiny.weights, tiny.picture)
    assert (done.code, done.out) == (2, "")
    assert "is not of the form name=value" in done.err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--device", "gpu"], 2, "'gpu' is not a device: write cpu, cuda or cuda:1"),
        (["--device", "meta"], 1, "device meta cannot be used here"),
        (["--device", ""], 2, "is not a device"),
        (["--dtype", "int8"], 2, "invalid choice: 'int8'"),
        (["--stream", "--json"], 2, "--stream"),
        (["--weight", "x"], 2, "--weights is given twice"),
        (["--unknown"], 2, "--unknown"),
    ],
    ids=str,
)
def test_options_that_do_not_do(composer, tiny, options: list[str], code: int, message: str) -> None:
    done = composer(
        "run", f"{tiny.document}:image-caption", "--weights", tiny.weights, f"image={tiny.picture}", *options
    )
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert "Traceback" not in done.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_one_line(composer, tiny, device: str) -> None:
    done = composer(
        "run",
        f"{tiny.document}:image-caption",
        "--weights",
        tiny.weights,
        "--device",
        device,
        f"image={tiny.picture}",
    )
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"composer: error: device {device} is not available here: torch finds no CUDA device; use cpu\n"
    )


def test_a_task_without_text_cannot_stream(composer, tiny) -> None:
    done = composer(
        "run", f"{tiny.document}:image-qa-rank", "--weights", tiny.weights, "--stream",
        f"image={tiny.picture}", "question=who", "answers=a", "answers=b",
    )  # fmt: skip
    assert (done.code, done.out) == (1, "")
    assert "task `image-qa-rank` generates no text" in done.err


def test_too_few_answers_to_rank_is_one_line(composer, tiny) -> None:
    done = composer(
        "run", f"{tiny.document}:image-qa-rank", "--weights", tiny.weights,
        f"image={tiny.picture}", "question=who", "answers=a",
    )  # fmt: skip
    assert (done.code, done.out) == (1, "")
    assert "input `answers` has 1 values, and task `image-qa-rank` takes at least 2; give more" in done.err


@pytest.mark.parametrize("address", ["https://a.org/w.safetensors", "s3://a/w.safetensors"])
def test_an_address_in_the_place_of_a_file_is_called_one(composer, tiny, address: str) -> None:
    """No file of that name is looked for by the reader of the message: nothing here is fetched."""
    loaded = composer("run", f"{tiny.document}:image-qa", "--weights", address, "question=a")
    assert (loaded.code, loaded.out) == (1, "")
    assert f"`{address}` is an address, and nothing is fetched from one; save it as a file" in loaded.err
    checked = composer("check", address)
    assert checked.code == 1
    assert f"{address} cannot be read as a document: it is an address, and nothing is fetched" in checked.out
