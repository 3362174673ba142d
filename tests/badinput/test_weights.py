"""`--weights` of every kind that does not do: one error with the file, the cause and a cure, and no answer."""

from __future__ import annotations

from pathlib import Path

import pytest

import composer as public
from composer.weights import WeightsError

CAUSES = {
    "missing.safetensors": "there is no such file",
    "directory.safetensors": "the folder holds no weights",
    "empty.safetensors": "the file is empty",
    "text.safetensors": "it is a text file",
    "binary.safetensors": "no safetensors header",
    "huge.safetensors": "no safetensors header",
    "stub.safetensors": "no safetensors header",
    "truncated.safetensors": "the safetensors file is truncated",
    "truncated.pth": "truncated",
    "pickle.pth": "a pickle that torch.save did not write",
    "zip.pth": "a zip file that torch.save did not write",
    "sparse.pth": "decoder.layers.0.attention_norm.weight: expected float32, found float32 (sparse_coo)",
    "sparse_legacy.pth": "decoder.layers.0.attention_norm.weight: expected float32, found float32 (sparse_coo)",
    "forbidden.pth": "may import can run any code",
    "other_size.safetensors": "is this a checkpoint of another size",
    "nan.safetensors": "1 tensor with NaN: decoder.layers.0.attention_norm.weight",
    "infinite.safetensors": "1 tensor with infinite values: decoder.layers.0.attention_norm.weight",
    "lacking.safetensors": "1 parameter missing from the checkpoint",
    "extra.safetensors": "1 key of the checkpoint that nothing takes",
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_command_says_what_is_wrong(composer, tiny, checkpoints: Path, name: str) -> None:
    done = composer(
        "run", f"{tiny.document}:image-caption", "--weights", checkpoints / name, f"image={tiny.picture}"
    )
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("composer: error: ")
    assert str(checkpoints / name) in done.err
    assert CAUSES[name] in done.err
    assert not Path("/tmp/a-pickle-was-run").exists()


@pytest.mark.parametrize("name", CAUSES)
def test_the_function_says_the_same(tiny, checkpoints: Path, name: str) -> None:
    with pytest.raises(WeightsError) as caught:
        public.load(tiny.document, weights=checkpoints / name)
    assert CAUSES[name] in str(caught.value)


def test_a_whole_training_checkpoint_is_fine(composer, tiny, checkpoints: Path) -> None:
    done = composer(
        "run",
        f"{tiny.document}:image-caption",
        "--weights",
        checkpoints / "whole.pth",
        f"image={tiny.picture}",
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("caption: ")


def test_a_document_without_weights_asks_for_them(composer, tiny) -> None:
    done = composer("run", f"{tiny.document}:image-caption", f"image={tiny.picture}")
    assert (done.code, done.out) == (1, "")
    assert "tiny ships no weights" in done.err
    assert "--weights" in done.err


def test_weights_without_a_name_are_one_line(composer, tiny) -> None:
    done = composer("run", f"{tiny.document}:image-caption", "--weights", "", f"image={tiny.picture}")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("composer: error: the name of the weights is empty: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("name", CAUSES)
def test_compiling_says_the_same(composer, tiny, checkpoints: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "artifact"
    done = composer(
        "compile", f"{tiny.document}:image-caption", "--weights", checkpoints / name, "--out", out
    )
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("composer: error: ")
    assert CAUSES[name] in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("layout", ["mplug3", "native"])
def test_an_unknown_layout_is_one_line_even_where_no_checkpoint_is_read(composer, tiny, layout: str) -> None:
    for weights in (tiny.weights, "initial"):
        done = composer(
            "run",
            f"{tiny.document}:image-caption",
            "--weights",
            weights,
            "--layout",
            layout,
            f"image={tiny.picture}",
        )
        assert (done.code, done.out) == (1, "")
        assert f"there is no layout `{layout}`" in done.err
        assert "mplug2" in done.err
        assert done.err.count("\n") == 1
