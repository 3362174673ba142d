"""The gallery's document that hears where somebody speaks: its plugin against the package's graph, and answers."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import composer
from composer.conformance import check_plugin
from composer.types import States
from composer.weights import read_checkpoint, save_weights

GALLERY = Path(__file__).parents[2] / "examples" / "gallery"
PACKAGE = find_spec("silero_vad")
ONNX_NAMES = {
    "model.stft.forward_basis_buffer": "stft_conv.weight",
    **{
        f"model.encoder.{n}.reparam_conv.{part}": f"conv{n + 1}.{part}"
        for n in range(4)
        for part in ("weight", "bias")
    },
    **{
        f"model.decoder.rnn.{part}": f"lstm.{part}_l0"
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    },
    **{f"model.decoder.decoder.2.{part}": f"final_conv.{part}" for part in ("weight", "bias")},
}
needs_weights = pytest.mark.skipif(
    PACKAGE is None, reason="silero-vad is not installed: see examples/gallery/assets.txt"
)


@pytest.fixture(scope="module", autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The plugin, installed."""
    place = tmp_path_factory.mktemp("site")
    shutil.copytree(GALLERY / "plugin_vad" / "composer_vad", place / "composer_vad")
    info = place / "composer_vad-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: composer-vad\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[composer]\nvad = composer_vad\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        yield place
    for name in [name for name in sys.modules if name.partition(".")[0] == "composer_vad"]:
        del sys.modules[name]


def noise(seconds: float) -> NDArray[np.float32]:
    return (np.random.default_rng(0).standard_normal(int(16_000 * seconds)) * 0.1).astype(np.float32)


def test_the_document_has_no_problem() -> None:
    assert [str(problem) for problem in composer.check(GALLERY / "voice.yaml").problems] == []


@pytest.mark.slow
def test_the_plugin_keeps_its_promises() -> None:
    report = check_plugin("vad")
    assert report.passed, report.failures


@needs_weights
def test_each_chunk_is_heard_as_by_the_graph_of_the_package() -> None:
    """The package brings another revision of the weights as a graph, which is computed without running code of it."""
    onnx = pytest.importorskip("onnx", reason="the extra formats is not installed")
    pytest.importorskip("onnx.reference")
    detector = import_module("composer_vad.detector").Detector().eval()

    assert PACKAGE is not None
    assert PACKAGE.origin is not None
    path = Path(PACKAGE.origin).parent / "data" / "silero_vad_16k_op15.onnx"
    tensors = read_checkpoint(path)
    detector.load_state_dict({ours: tensors[theirs] for theirs, ours in ONNX_NAMES.items()})
    sound = noise(0.3) + np.sin(np.arange(4_800) * 0.05).astype(np.float32) * 0.3
    with torch.no_grad():
        found: Any = detector(waveform=States(torch.from_numpy(sound)[None], None))["speech"]
    graph: Any = onnx.reference.ReferenceEvaluator(onnx.load(path))
    state: Any = np.zeros((2, 1, 128), np.float32)
    before = np.zeros(64, np.float32)
    for number, chunk in enumerate(np.pad(sound, (0, -len(sound) % 512)).reshape(-1, 512)):
        given = {"input": np.concatenate((before, chunk))[None], "state": state, "sr": np.array(16_000)}
        chance, state = graph.run(None, given)
        assert found.values[0, number, 0].item() == pytest.approx(float(chance[0, 0]), abs=1e-4)
        before = chunk[-64:]


@needs_weights
def test_a_voice_is_heard_and_noise_is_not() -> None:
    voice = str(GALLERY.parent / "media" / "voice.flac")
    model = composer.load(GALLERY / "voice.yaml")
    shares = model.run("listen", sound=[voice, noise(2), np.zeros(9_000, np.float32)])["share"]
    assert shares[0] > 0.6
    assert shares[1:].tolist() == [0, 0]
    assert model.run("listen", sound=voice)["share"] == pytest.approx(float(shares[0]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("backend", ["export", "inductor"])
def test_an_artifact_hears_recordings_of_any_length(backend: str, tmp_path: Path) -> None:
    """Its LSTM is one step that is repeated, and the numbers are those of the LSTM of torch."""
    live = composer.load(GALLERY / "voice.yaml", weights="initial")
    weights = tmp_path / "weights.safetensors"
    save_weights(live.modules, weights)
    composer_compile.compile_document(
        GALLERY / "voice.yaml",
        tmp_path / "artifact",
        tasks=["timeline"],
        weights=weights,
        options=composer_compile.Options(backend=backend, ranges={"sound.samples": "1..160000"}),
    )
    artifact = composer_compile.load(tmp_path / "artifact")
    for seconds in (0.01, 0.5, 3.0):
        sounds = [noise(seconds), noise(seconds * 0.7)]
        found, expected = (each.run("timeline", sound=sounds)["speech"] for each in (artifact, live))
        assert torch.equal(found.mask, expected.mask)
        torch.testing.assert_close(found.values, expected.values, atol=1e-5, rtol=1e-4)
