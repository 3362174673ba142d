"""Recordings become what transformers' feature extractors make of them, as the preprocessor of a folder says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from composer_transformers.audio_config import AudioConfig
from composer_transformers.audio_processor import AudioProcessor
from numpy.typing import NDArray

from composer.graph import check
from composer.language import Source
from composer.types import States

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")

WHISPER = {
    "d_model": 32,
    "encoder_layers": 1,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_layers": 1,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 48,
}
WAV2VEC2 = {
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "hidden_size": 32,
    "intermediate_size": 48,
    "conv_dim": [16, 16],
    "conv_kernel": [10, 3],
    "conv_stride": [5, 2],
    "num_feat_extract_layers": 2,
}
AST = {"num_hidden_layers": 1, "num_attention_heads": 4, "hidden_size": 32, "intermediate_size": 48}


def wave(seconds: float, rate: int) -> NDArray[np.float32]:
    """Tones that rise, noise, and a silence in the middle."""
    times = np.arange(int(seconds * rate)) / rate
    found = 0.4 * np.sin(2 * np.pi * (200 + 900 * times) * times) + 0.05 * np.sin(2 * np.pi * 3100 * times)
    found += 0.01 * np.random.default_rng(3).standard_normal(len(times))
    found[len(times) // 3 : len(times) // 2] = 0
    return found.astype(np.float32)


def heard_as(folder: Path) -> AudioConfig:
    """The config of an input that says `for: ear`, an encoder of a folder."""
    document = {
        "composer": 1,
        "modules": {"ear": {"uses": "transformers.audio_encoder", "with": {"folder": folder.name}}},
        "tasks": {
            "hear": {
                "inputs": {"sound": {"modality": "audio", "for": "ear"}},
                "nodes": {"heard": {"call": "ear", "inputs": "sound"}},
                "outputs": {"states": "heard"},
            }
        },
    }
    report = check(Source("document.yaml", json.dumps(document), folder.parent / "document.yaml"))
    assert [str(problem) for problem in report.problems] == []
    config = report.tasks["hear"].inputs["sound"].config
    assert isinstance(config, AudioConfig)
    return config


def folder_of(place: Path, config: Any, extractor: Any | None, *, composite: bool = False) -> Path:
    """The small files of a published model; `composite` writes the preprocessor as newer folders have it."""
    place.mkdir()
    config.save_pretrained(place)
    if extractor is not None:
        extractor.save_pretrained(place)
    if composite:
        path = place / "preprocessor_config.json"
        whole = {"feature_extractor": json.loads(path.read_text()), "processor_class": "WhisperProcessor"}
        (place / "processor_config.json").write_text(json.dumps(whole))
        path.unlink()
    return place


@pytest.mark.parametrize("composite", [False, True])
@pytest.mark.parametrize(
    "own",
    [
        {},
        {"feature_size": 24, "sampling_rate": 8_000, "hop_length": 100, "n_fft": 256, "chunk_length": 2},
    ],
)
def test_whisper_hears_the_spectrogram_of_its_extractor(
    own: dict[str, Any], composite: bool, tmp_path: Path
) -> None:
    theirs = transformers.WhisperFeatureExtractor(**own)
    model = transformers.WhisperConfig(
        **WHISPER, num_mel_bins=theirs.feature_size, max_source_positions=theirs.nb_max_frames // 2
    )
    config = heard_as(folder_of(tmp_path / "ear", model, theirs, composite=composite))
    sounds = [wave(1.7, theirs.sampling_rate), wave(0.4, theirs.sampling_rate)]
    expected = theirs(sounds, sampling_rate=theirs.sampling_rate, return_tensors="np").input_features
    found = AudioProcessor(config).encode(sounds)["mels"]
    assert found.mask is None
    assert found.values.shape == (2, theirs.nb_max_frames, theirs.feature_size)
    assert found.values == pytest.approx(expected.transpose(0, 2, 1), abs=2e-4)


@pytest.mark.parametrize(
    "own", [{}, {"num_mel_bins": 40, "max_length": 90, "mean": -3.0, "std": 2.0}, {"do_normalize": False}]
)
def test_ast_hears_the_filter_bank_of_its_extractor(own: dict[str, Any], tmp_path: Path) -> None:
    theirs = transformers.ASTFeatureExtractor(**own)
    model = transformers.ASTConfig(**AST, num_mel_bins=theirs.num_mel_bins, max_length=theirs.max_length)
    config = heard_as(folder_of(tmp_path / "ear", model, theirs))
    sounds = [wave(0.9, 16_000), wave(0.3, 16_000)]
    expected = np.stack(theirs(sounds, sampling_rate=16_000)["input_values"])
    found = AudioProcessor(config).encode(sounds)["mels"].values
    assert found.shape == expected.shape
    assert found == pytest.approx(expected, abs=2e-3 if own.get("do_normalize") is False else 5e-4)


@pytest.mark.parametrize("own", [{}, {"sampling_rate": 8_000}, {"do_normalize": False}])
def test_wav2vec2_hears_the_waveform_of_its_extractor(own: dict[str, Any], tmp_path: Path) -> None:
    theirs = transformers.Wav2Vec2FeatureExtractor(**own)
    config = heard_as(folder_of(tmp_path / "ear", transformers.Wav2Vec2Config(**WAV2VEC2), theirs))
    assert config.rate == theirs.sampling_rate
    sounds = [wave(0.9, config.rate), wave(0.3, config.rate)]
    expected = theirs(
        sounds,
        sampling_rate=config.rate,
        padding=True,
        return_attention_mask=True,
        return_tensors="np",
    )
    found = AudioProcessor(config).encode(sounds)["waveform"]
    assert found.values == pytest.approx(expected.input_values, abs=1e-5)
    assert (found.mask == expected.attention_mask).all()


def test_without_a_preprocessor_the_family_is_heard_as_it_usually_is(tmp_path: Path) -> None:
    model = transformers.WhisperConfig(**WHISPER, num_mel_bins=20, max_source_positions=30)
    config = heard_as(folder_of(tmp_path / "ear", model, None))
    assert (config.features, config.rate, config.bins, config.frames) == ("log_mel", 16_000, 20, 60)
    config = heard_as(folder_of(tmp_path / "wave", transformers.Wav2Vec2Config(**WAV2VEC2), None))
    assert (config.features, config.rate, config.normalise) == ("waveform", 16_000, True)


@pytest.mark.parametrize("features", ["log_mel", "fbank"])
def test_recordings_of_their_own_length_are_the_same_alone_and_in_a_batch(features: str) -> None:
    processor = AudioProcessor(AudioConfig(features=features, bins=20))  # type: ignore[arg-type]
    sounds = [wave(0.5, 16_000), wave(0.2, 16_000)]
    together = processor.encode(sounds)["mels"]
    assert isinstance(together, States)
    for row, sound in enumerate(sounds):
        alone = processor.encode([sound])["mels"]
        length = alone.values.shape[1]
        assert together.mask[row].sum() == length
        assert (together.values[row, :length] == alone.values[0]).all()


def test_a_long_recording_is_made_in_parts_of_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    processor = AudioProcessor(AudioConfig(features="fbank", bins=20))
    whole = processor.encode([wave(1.0, 16_000)])["mels"].values
    monkeypatch.setattr("composer_transformers.audio_features.AT_A_TIME", 7)
    assert processor.encode([wave(1.0, 16_000)])["mels"].values == pytest.approx(whole, abs=1e-6)


def test_a_wrong_value_in_a_preprocessor_is_one_sentence(tmp_path: Path) -> None:
    place = folder_of(tmp_path / "ear", transformers.Wav2Vec2Config(**WAV2VEC2), None)
    (place / "preprocessor_config.json").write_text('{"sampling_rate": "16 kHz"}')
    document = {
        "composer": 1,
        "modules": {"ear": {"uses": "transformers.audio_encoder", "with": {"folder": "ear"}}},
        "tasks": {
            "hear": {
                "inputs": {"sound": {"modality": "audio", "for": "ear"}},
                "nodes": {"heard": {"call": "ear", "inputs": "sound"}},
                "outputs": {"states": "heard"},
            }
        },
    }
    report = check(Source("document.yaml", json.dumps(document), tmp_path / "document.yaml"))
    (problem,) = report.problems
    assert problem.code == "C206"
    assert "`sampling_rate` is '16 kHz', not a whole number" in problem.message


@pytest.mark.parametrize(
    ("with_", "expected"),
    [
        ({"features": "log_mel", "bins": 80, "window": 64}, "lower `bins`"),
        ({"features": "fbank", "max_s": 0.01, "bins": 8}, "is shorter than one window"),
        ({"features": "mfcc"}, "features"),
        ({"rate": 0}, "rate"),
    ],
)
def test_a_wrong_config_is_told(with_: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        AudioConfig.model_validate(with_)


def test_the_kit_passes_for_the_modality(monkeypatch: pytest.MonkeyPatch) -> None:
    from composer_transformers.audio_modality import AUDIO, WAVEFORM

    from composer.conformance import check_plugin
    from composer.plugin import hookimpl

    class Plugin:
        @staticmethod
        @hookimpl
        def composer_register(register: Any) -> None:
            register(WAVEFORM, AUDIO)

    monkeypatch.setenv("COMPOSER_PLUGINS", "core")
    report = check_plugin(Plugin)
    assert report.passed, report.failures


@pytest.mark.parametrize("with_", [{}, {"features": "log_mel", "bins": 80}])
def test_a_recording_that_is_not_prepared_for_the_model_says_how_it_is(with_: dict[str, Any]) -> None:
    document = {
        "composer": 1,
        "modules": {"ear": {"uses": "transformers.audio_encoder", "with": {"family": "whisper"}}},
        "tasks": {
            "hear": {
                "inputs": {"sound": {"modality": "audio", "with": with_}},
                "nodes": {"heard": {"call": "ear", "inputs": "sound"}},
                "outputs": {"states": "heard"},
            }
        },
    }
    (problem,) = check(Source("document.yaml", json.dumps(document))).errors
    assert problem.helps[0].startswith("write `for: ear` at the input")
