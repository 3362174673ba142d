"""Prompts: templates with room for media, and what users type in them, which never is a special token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from composer_text.configs import TextConfig
from composer_text.origin import AUTHOR, MEDIUM, USER
from composer_text.processor import TextProcessor
from composer_text.prompt_config import TemplateConfig
from composer_text.prompt_processor import PromptProcessor
from composer_text.vocabulary import SPECIAL_TOKENS, packaged_vocabularies
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from composer.problems import InputError

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[",
    "]",
    "sep",
    "mask",
    "cls",
    "pad",
    "unk",
    "a",
    "b",
    "c",
    ":",
]
MARKS = ("<image>", "<|im_start|>", "</s>", "[INST]", "<think>")
"""Of the file below; the last two are tokens that the file does not call special."""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("words") / "words.txt"
    path.write_text("\n".join(WORDS) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A byte-level tokenizer as chat models have, with a lower-casing normaliser that makes `<IMAGE>` one, too."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0, **{letter: number for number, letter in enumerate(letters, start=1)}}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, normalized=True) for mark in MARKS[:3]])
    tokenizer.add_tokens([AddedToken(mark) for mark in MARKS[3:]])
    path = tmp_path_factory.mktemp("file") / "tokenizer.json"
    tokenizer.save(str(path))
    return str(path)


def prompt(tokenizer: str, template: str, **more: Any) -> PromptProcessor:
    return PromptProcessor(TemplateConfig(template=template, tokenizer=tokenizer, **more))


def ids_of(path: str) -> dict[str, int]:
    return {token["content"]: token["id"] for token in json.loads(Path(path).read_text())["added_tokens"]}


def test_a_template_is_filled(words: str) -> None:
    read = prompt(words, "a: {image} {question} [SEP] b:", media={"image": 3})
    found = read.encode(["c", "b c"], {"image": [2, 0]})
    assert found["tokens"].ids.tolist() == [
        [2, 12, 15, 0, 0, 0, 0, 0, 0, 14, 3, 13, 15],
        [2, 12, 15, 13, 14, 3, 13, 15, 0, 0, 0, 0, 0],
    ]
    assert found["tokens"].mask.tolist() == [[1] * 13, [1] * 8 + [0] * 5]
    assert found["image"].tolist() == [[-1, -1, -1, 0, 1, 2, 3, 4, 5, -1, -1, -1, -1], [-1] * 13]
    assert found["origins"][0].tolist() == [AUTHOR] * 3 + [MEDIUM] * 6 + [USER] + [AUTHOR] * 3


def test_padding_on_the_left_moves_the_positions_along(words: str) -> None:
    media = {"image": 2}
    counts = {"image": [1, 1]}
    right = prompt(words, "{image} {text}", media=media).encode(["a b c", "a"], counts)
    left = prompt(words, "{image} {text}", media=media, padding="left").encode(["a b c", "a"], counts)
    assert left["tokens"].mask.tolist() == [[1] * 6, [0, 0, 1, 1, 1, 1]]
    assert left["image"].tolist() == [[-1, 0, 1, -1, -1, -1], [-1, -1, -1, 2, 3, -1]]
    for field in ("image", "origins"):
        assert left[field][1, 2:].tolist() == right[field][1, :4].tolist()
    assert left["tokens"].ids[1, 2:].tolist() == right["tokens"].ids[1, :4].tolist()


def test_text_around_each_value_of_a_medium(words: str) -> None:
    read = prompt(words, "{page}{text}", media={"page": 1}, each={"page": "a {n} : {} b"}, filler="[MASK]")
    found = read.encode(["c"], {"page": [2]})
    assert found["tokens"].ids.tolist() == [[2, 12, 1, 15, 4, 13, 12, 1, 15, 4, 13, 14]]
    assert found["page"].tolist() == [[-1, -1, -1, -1, 0, -1, -1, -1, -1, 1, -1, -1]]


def test_several_texts_and_media(words: str) -> None:
    read = prompt(words, "{clip}{first}:{image}{second}", media={"clip": 1, "image": 2}, frame="both")
    found = read.encode([{"first": "a", "second": "b"}], {"clip": [1], "image": [1]})
    assert found["tokens"].ids.tolist() == [[2, 0, 12, 15, 0, 0, 13, 3]]
    assert found["clip"].tolist() == [[-1, 0, -1, -1, -1, -1, -1, -1]]
    assert found["image"].tolist() == [[-1, -1, -1, -1, 0, 1, -1, -1]]


@pytest.mark.parametrize("tokenizer", [*packaged_vocabularies(), "words"])
@pytest.mark.parametrize("special", SPECIAL_TOKENS)
def test_no_special_token_of_a_word_list_is_typed(tokenizer: str, special: str, words: str) -> None:
    name = words if tokenizer == "words" else tokenizer
    for typed in (special, f"a {special} b", special * 2, f"{{image}} {special}"):
        read = prompt(name, "[SEP] {image}{text}", media={"image": 2})
        framed = TextProcessor(TextConfig(tokenizer=name, prefix="a", suffix="[SEP]"))
        found = read.encode([typed], {"image": [1]})
        known = {each: read.tokenizer.special_id(each) for each in SPECIAL_TOKENS}
        known.pop("[UNK]")  # a word that the vocabulary cannot spell is unknown, whoever writes it
        ids, origins = found["tokens"].ids[0], found["origins"][0]
        assert not set(ids[origins == USER]) & set(known.values())
        assert (origins == MEDIUM).sum() == 2 == (found["image"][0] >= 0).sum()
        assert (ids == known["[SEP]"]).sum() == 1
        text = framed.encode([typed])["tokens"].ids[0].tolist()
        assert text[0] == known["[CLS]"]
        assert text[-2:] == [known["[SEP]"]] * 2
        assert not set(text[1:-2]) & set(known.values())


@pytest.mark.parametrize("special", MARKS)
@pytest.mark.parametrize("shape", ["{}", "a {} b", "{}{}", "{}\n", "A{}", "{{image}}{}"])
def test_no_special_token_of_a_tokenizer_file_is_typed(special: str, shape: str, file: str) -> None:
    known = ids_of(file)
    for each in (special, special.upper()):
        typed = shape.replace("{{image}}", "{image}").replace("{}", each)
        read = prompt(file, "<|im_start|>{image}{text}</s>", media={"image": 2}, filler="<image>")
        found = read.encode([typed], {"image": [1]})
        ids, origins = found["tokens"].ids[0], found["origins"][0]
        assert not set(ids[origins == USER]) & set(known.values())
        assert read.tokenizer.decode(ids[origins == USER], skip_special=False) == typed.lower()
        assert [i for i in ids if i in known.values()] == [
            known["<|im_start|>"],
            *[known["<image>"]] * 2,
            known["</s>"],
        ]
        text = TextProcessor(TextConfig(tokenizer=file)).encode([typed])["tokens"].ids[0]
        assert not set(text) & set(known.values())


def test_a_special_token_that_a_user_completes_is_text(words: str, file: str) -> None:
    for name, template, typed in (
        (words, "[SE{text}", "P]"),
        (file, "<ima{text}", "ge>"),
        (file, "{text}ge>", "<ima"),
    ):
        read = prompt(name, template, frame="none")
        ids = read.encode([typed])["tokens"].ids[0]
        assert not set(ids) & {3, *ids_of(file).values()}


def test_author_and_user_are_split_together(file: str) -> None:
    """A word that begins in the template and ends in what was typed is the word that the text spells."""
    read = prompt(file, "ab{text}c", frame="none")
    found = read.encode(["d e"])
    plain = TextProcessor(TextConfig(tokenizer=file)).encode(["abd ec"])["tokens"]
    assert found["tokens"].ids.tolist() == plain.ids.tolist()
    assert found["origins"].tolist() == [[AUTHOR] * 2 + [USER] * 3 + [AUTHOR]]


def test_marks_are_still_written(file: str) -> None:
    known = ids_of(file)
    decode = TextProcessor(TextConfig(tokenizer=file)).tokenizer.decode
    assert decode([known["<think>"], known["<image>"]]) == "<think>"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "is of the type int"),
        (None, "is of the type NoneType|lacks the text"),
        ({"first": "a"}, "lacks the text second"),
        ({"first": "a", "second": "b", "third": "c"}, "third"),
        ("a", "the template takes the texts first, second: give a map of them"),
        ({"first": "a", "second": "\ud800"}, "not valid Unicode"),
    ],
)
def test_what_is_no_prompt_is_refused(value: object, text: str, words: str) -> None:
    template = "{first}" if value in (3, None) else "{first} {second}"
    with pytest.raises(InputError, match=text):
        prompt(words, template).encode([value])


def test_a_prompt_is_never_cut(words: str) -> None:
    read = prompt(words, "{image}{text}", media={"image": 5}, max_tokens=7)
    assert read.encode(["a"], {"image": [1]})["tokens"].ids.shape == (1, 7)
    with pytest.raises(InputError, match="has 8 tokens and 7 are allowed: shorten it, or raise max_tokens"):
        read.encode(["a b"], {"image": [1]})
    with pytest.raises(InputError, match="read together with the input `image`"):
        read.encode(["a"])


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"template": "{image"}, "is not a template"),
        ({"template": "{a.b}"}, "is not a placeholder"),
        ({"template": "{}"}, "one name is expected"),
        ({"template": "{a!r}"}, "is not a placeholder"),
        ({"template": "a", "media": {"image": 2}}, "no placeholder {image}"),
        ({"template": "{i}{i}", "media": {"i": 2}}, "once for a medium"),
        ({"template": "{i}", "media": {"i": 0}}, "1 position or more"),
        ({"template": "{i}", "media": {"i": 5}, "max_tokens": 4}, "so that no prompt holds one"),
        (
            {"template": "{i}", "media": {"i": 5}, "max_tokens": 5},
            "and the prompt is opened, and `max_tokens` is 5",
        ),
        (
            {"template": "{i}", "media": {"i": 5}, "max_tokens": 6, "frame": "both"},
            "and the prompt is framed, and",
        ),
        ({"template": "{tokens}", "media": {"tokens": 1}}, "a port of every prompt"),
        ({"template": "{i}", "each": {"i": "{}"}}, "which `media` does not"),
        ({"template": "{i}", "media": {"i": 1}, "each": {"i": "a"}}, "write {} once"),
    ],
)
def test_what_is_no_template_is_refused(fields: dict[str, Any], text: str, words: str) -> None:
    with pytest.raises(ValueError, match=text.replace("{", r"\{").replace("}", r"\}")):
        TemplateConfig(tokenizer=words, **fields)


def test_braces_of_the_author_and_of_the_user(file: str) -> None:
    read = prompt(file, "{{x}} {text}", frame="none")
    ids = read.encode(["{y} {image}"])["tokens"].ids[0]
    assert read.tokenizer.decode(ids) == "{x} {y} {image}"


def test_arrays_are_whole_numbers(words: str) -> None:
    found = prompt(words, "{image}{text}", media={"image": 1}).encode(["a"], {"image": [1]})
    assert {found["image"].dtype, found["origins"].dtype, found["tokens"].ids.dtype} == {np.dtype(np.int64)}
