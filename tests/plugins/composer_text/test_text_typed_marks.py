"""What a user types is no special token, also where the model of a tokenizer has it as one of its words."""

from __future__ import annotations

from pathlib import Path

import pytest
from composer_text.configs import TextConfig
from composer_text.processor import TextProcessor
from composer_text.prompt_config import TemplateConfig
from composer_text.prompt_processor import PromptProcessor
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

MARKS = ["<pad>", "<s>", "</s>", "<image>"]
LETTERS = ["?", "a", "<", ">", "/", "s", "p", "d", "i", "m", "g", "e", "▁"]
WORDS = {word: number for number, word in enumerate([*MARKS, *LETTERS])}
MERGED = {**WORDS, "<s": len(WORDS)}
TYPED = ["<image>", "a </s>", "a</s>a", "<s> a", "<pad><pad>", "＜s＞ a"]


def model(kind: str) -> models.Model:
    return {
        "words": lambda: models.WordLevel(WORDS, unk_token="?"),
        "word pieces": lambda: models.WordPiece(WORDS, unk_token="?"),
        "unigram": lambda: models.Unigram(
            [(word, -float(n)) for word, n in WORDS.items()], unk_id=WORDS["?"]
        ),
        "pairs": lambda: models.BPE(MERGED, [("<", "s"), ("<s", ">")], unk_token="?"),
        "whole words": lambda: models.BPE(MERGED, [("<", "s")], unk_token="?", ignore_merges=True),
    }[kind]()


@pytest.fixture(params=["words", "word pieces", "unigram", "pairs", "whole words"])
def pipeline(request: pytest.FixtureRequest) -> Tokenizer:
    made = Tokenizer(model(request.param))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = (
        pre_tokenizers.Metaspace() if request.param == "unigram" else pre_tokenizers.WhitespaceSplit()
    )
    return made


def save(pipeline: Tokenizer, folder: Path) -> Path:
    pipeline.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


@pytest.mark.parametrize("added", ["all", "none", "behind"])
def test_no_model_reads_a_mark_in_what_was_typed(pipeline: Tokenizer, added: str, tmp_path: Path) -> None:
    """Added tokens are told, or known by their names alone; others keep their ids behind them."""
    if added != "none":
        pipeline.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    if added == "behind":
        pipeline.add_special_tokens(["<more>"])
        pipeline.add_tokens(["zebra"])
    path = save(pipeline, tmp_path)
    made = TextProcessor(TextConfig.model_validate({"tokenizer": str(path), "separator": False}))
    marks = {*range(3 if added == "none" else 4), pipeline.token_to_id("<more>")}
    for text in [*TYPED, "<more> a"]:
        ids = made.encode([text])["tokens"].ids[0].tolist()
        assert not marks & {*ids}, text
    assert made.encode(["a"])["tokens"].ids[0].tolist()[-1] == WORDS["a"]
    if added == "behind":
        assert pipeline.token_to_id("zebra") in made.encode(["zebra"])["tokens"].ids[0].tolist()


def test_a_template_has_them_and_its_texts_do_not(pipeline: Tokenizer, tmp_path: Path) -> None:
    pipeline.add_special_tokens(MARKS)
    config = TemplateConfig.model_validate(
        {"template": "a </s>{text}", "tokenizer": str(save(pipeline, tmp_path)), "frame": "none"}
    )
    made = PromptProcessor(config)
    ids = made.encode(["</s> a"])["tokens"].ids[0].tolist()
    assert ids.count(WORDS["</s>"]) == 1
