"""Vocabularies are proven: what a tokenizer gives, what a module knows, what a decoder writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from composer.graph import Report, check
from composer.plugin import load_registry

REGISTRY = load_registry()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
DOCUMENT = """\
composer: 1
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1, vocabulary: ENCODER}}
  decoder:
    uses: mplug2.text_decoder
    with: {hidden: 64, heads: 4, layers: 1, vocabulary: DECODER, tokenizer: WRITES, start: 2, end: 3, pad: 0}
tasks:
  t:
    inputs: {q: {modality: text, with: {tokenizer: READS}}}
    nodes:
      w: {call: text, inputs: {tokens: q.tokens}}
      r: {generate: decoder, inputs: {memory: w.states}}
    outputs: {r: r.text}
"""


def words(folder: Path, name: str, count: int, *, first: str = "word") -> Path:
    path = folder / name
    path.write_text("\n".join([*SPECIAL, *(f"{first}{i}" for i in range(count - len(SPECIAL)))]) + "\n")
    return path


def checked(folder: Path, text: str, **values: object) -> Report:
    for name, value in values.items():
        text = text.replace(name, str(value))
    path = folder / "document.yaml"
    path.write_text(text)
    return check(path, registry=REGISTRY)


@pytest.mark.parametrize(
    ("encoder", "decoder", "expected"),
    [
        (50, 50, []),
        (64, 128, []),  # rounded up
        (49, 50, [("C222", 11)]),
        (50, 49, [("C222", 6)]),
        (30522, 50, [("C222", 11)]),
        (50, 30522, [("C222", 6)]),
        (20, 10, [("C222", 6), ("C222", 11)]),
    ],
)
def test_sizes_of_reader_and_writer(
    tmp_path: Path, encoder: int, decoder: int, expected: list[tuple[str, int]]
) -> None:
    words(tmp_path, "words.txt", 50)
    values = {"ENCODER": encoder, "DECODER": decoder, "READS": "words.txt", "WRITES": "words.txt"}
    report = checked(tmp_path, DOCUMENT, **values)
    assert [(p.code, p.place.line) for p in report.problems] == expected


def tokenizer_file(folder: Path, name: str, count: int, added: int = 0, **more: object) -> Path:
    """A `tokenizer.json` of the tokenizers library, with `added` tokens behind those of its model."""
    tokens = [*SPECIAL, *(f"word{i}" for i in range(count - len(SPECIAL)))]
    extra = [{"id": count + i, "content": f"<extra{i}>", "special": True} for i in range(added)]
    model = {"type": "WordPiece", "vocab": {token: index for index, token in enumerate(tokens)}}
    path = folder / name
    path.write_text(json.dumps({"version": "1.0", "added_tokens": extra, "model": model, **more}))
    return path


@pytest.mark.parametrize(
    ("added", "encoder", "decoder", "expected"),
    [
        (0, 50, 50, []),
        (4, 54, 54, []),
        (4, 50, 54, [("C222", 11)]),
        (4, 54, 50, [("C222", 6)]),
        (0, 30522, 30522, [("C222", 6), ("C222", 11)]),
    ],
)
def test_a_tokenizer_file_has_its_size_with_added_tokens(
    tmp_path: Path, added: int, encoder: int, decoder: int, expected: list[tuple[str, int]]
) -> None:
    tokenizer_file(tmp_path, "tokenizer.json", 50, added)
    names = {"READS": "tokenizer.json", "WRITES": "tokenizer.json"}
    report = checked(tmp_path, DOCUMENT, ENCODER=encoder, DECODER=decoder, **names)
    assert [(p.code, p.place.line) for p in report.problems] == expected


def test_a_tokenizer_file_and_a_list_of_the_same_words_are_one_vocabulary(tmp_path: Path) -> None:
    tokenizer_file(tmp_path, "tokenizer.json", 50)
    words(tmp_path, "words.txt", 50)
    values = {"ENCODER": 50, "DECODER": 50, "READS": "words.txt", "WRITES": "tokenizer.json"}
    assert checked(tmp_path, DOCUMENT, **values).problems == ()


def test_a_decoder_is_held_to_the_special_ids_of_a_tokenizer_file(tmp_path: Path) -> None:
    template = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "word7", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
        ],
        "special_tokens": {"word7": {"id": "word7", "ids": [12], "tokens": ["word7"]}},
    }
    tokenizer_file(tmp_path, "tokenizer.json", 50, post_processor=template)
    values = {"ENCODER": 50, "DECODER": 50, "READS": "tokenizer.json", "WRITES": "tokenizer.json"}
    (problem,) = checked(tmp_path, DOCUMENT, **values).problems
    assert (problem.code, problem.place.line) == ("C206", 6)
    assert problem.message.endswith("start 2, and the vocabulary has 12")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[1, 2]", "has no `model`"),
        ('{"model": {}}', "has no `vocab`"),
        ('{"model": {"vocab": {}}}', "has no token"),
        ('{"model": {"vocab": {"a": "b"}}}', "gives the token 'a' the id 'b'"),
        ('{"model": {"vocab": {"a": 1000000000000}}}', "gives the token 'a' the id 1000000000000"),
        ('{"model": {"vocab": {"a": 0}}, "added_tokens": [3]}', "a part has another form"),
        ('{"model": {"vocab": {"a": 0}}, "post_processor": {"single": 3}}', "a part has another form"),
    ],
)
def test_what_is_not_a_tokenizer_file_is_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    values = {"ENCODER": 50, "DECODER": 50, "READS": "tokenizer.json", "WRITES": "bert-uncased"}
    problem = checked(tmp_path, DOCUMENT.replace("decoder: {", "d: {"), **values).problems[-1]
    assert problem.code == "C206"
    assert said in problem.message
    assert problem.place.line == 9


def test_both_places_stand_in_the_message(tmp_path: Path) -> None:
    """The child's parameter and the parent's module are named, each in its own file."""
    words(tmp_path, "words.txt", 50)
    values = {"ENCODER": "$vocabulary", "DECODER": 50, "READS": "words.txt", "WRITES": "words.txt"}
    parent = DOCUMENT.replace("modules:", "parameters: {vocabulary: 50}\nmodules:")
    for name, value in values.items():
        parent = parent.replace(name, str(value))
    (tmp_path / "parent.yaml").write_text(parent)
    report = checked(tmp_path, "composer: 1\nextends: parent.yaml\nparameters: {vocabulary: 40}\n")
    (problem,) = report.problems
    assert problem.message == (
        "vocabulary mismatch on q.tokens → w.tokens: "
        "`words.txt` has 50 entries, and module `text` knows 40 for `tokens`"
    )
    noted = {(Path(note.place.file).name, note.label) for note in problem.notes}
    assert ("document.yaml", "$vocabulary is 40") in noted
    assert ("parent.yaml", "input `q` has the vocabulary `words.txt` of 50 entries") in noted
    assert problem.helps[0].startswith("set text.vocabulary to 50")


def test_two_vocabularies_of_one_size_are_two(tmp_path: Path) -> None:
    words(tmp_path, "a.txt", 50)
    words(tmp_path, "b.txt", 50, first="other")
    text = DOCUMENT.replace(
        "{q: {modality: text, with: {tokenizer: READS}}}",
        "{q: {modality: text, with: {tokenizer: READS}}, s: {modality: text, with: {tokenizer: b.txt}}}",
    ).replace("      r:", "      v: {call: text, inputs: {tokens: s.tokens}}\n      r:")
    text = text.replace("{r: r.text}", "{r: r.text, v: v.states}")
    values = {"ENCODER": 50, "DECODER": 50, "READS": "a.txt", "WRITES": "a.txt"}
    (problem,) = checked(tmp_path, text, **values).problems
    assert problem.code == "C222"
    assert "takes ids of `b.txt` here, and of `a.txt` elsewhere" in problem.message
    words(tmp_path, "b.txt", 50)  # a copy is the same vocabulary
    assert checked(tmp_path, text, **values).problems == ()


def test_a_decoder_that_learns_other_words_than_it_writes(tmp_path: Path) -> None:
    words(tmp_path, "a.txt", 50)
    words(tmp_path, "b.txt", 50, first="other")
    objective = """\
    objective:
      inputs: {target: {modality: text, with: {tokenizer: b.txt}}}
      nodes:
        g: {call: decoder, inputs: {memory: w.states, tokens: target.tokens}}
        c: {uses: mplug2.caption_loss, inputs: {logits: g.logits, captions: target.tokens}}
      loss: c.loss
"""
    values = {"ENCODER": 50, "DECODER": 50, "READS": "a.txt", "WRITES": "a.txt"}
    (problem,) = checked(tmp_path, DOCUMENT + objective, **values).problems
    assert (problem.code, problem.place.line) == ("C222", 17)


@pytest.mark.parametrize(
    ("ids", "fault", "line"),
    [
        ("start: 2, end: 2, pad: 0", "end 2, and the vocabulary has 3", 6),
        ("start: 1, end: 3, pad: 0", "start 1, and the vocabulary has 2", 6),
        ("start: 2, end: 3, pad: 5", "pad 5, and the vocabulary has 0", 6),
        ("start: 2, end: 3", "", 0),
    ],
)
def test_special_ids(tmp_path: Path, ids: str, fault: str, line: int) -> None:
    words(tmp_path, "words.txt", 50)
    text = DOCUMENT.replace("start: 2, end: 3, pad: 0", ids)
    values = {"ENCODER": 50, "DECODER": 50, "READS": "words.txt", "WRITES": "words.txt"}
    problems = checked(tmp_path, text, **values).problems
    assert [(p.code, p.place.line) for p in problems] == ([("C206", line)] if fault else [])
    assert all(problem.message.endswith(fault) for problem in problems)


def test_ids_of_a_search_are_no_token_types(tmp_path: Path) -> None:
    """What a search writes is ids of its vocabulary; an encoder knows two token types."""
    words(tmp_path, "words.txt", 50)
    text = DOCUMENT.replace(
        "    outputs:",
        "      again: {call: text, inputs: {tokens: q.tokens, token_types: r.ids}}\n    outputs:",
    ).replace("{r: r.text}", "{r: r.text, again: again.states}")
    values = {"ENCODER": 50, "DECODER": 50, "READS": "words.txt", "WRITES": "words.txt"}
    (problem,) = checked(tmp_path, text, **values).problems
    assert problem.place.line == 13


PASSED_ON = """\
composer: 1
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 1, vocabulary: 40}}
tasks:
  t:
    inputs:
      q: {modality: text, with: {tokenizer: words.txt, max_tokens: 9}}
      o: {modality: text, with: {tokenizer: OTHER, max_tokens: 9}}
    nodes:
      made: NODE
      w: {call: text, inputs: {tokens: made.PORT}}
    outputs: {w: w.states}
"""


@pytest.mark.parametrize(
    ("node", "port"),
    [
        ("{uses: core.join_tokens, inputs: {first: q, second: o}}", "tokens"),
        (
            "{uses: core.mask_tokens, inputs: q, with: {vocabulary: 50, mask: 3, special: [0, 1, 2]}}",
            "masked",
        ),
        ("{uses: core.prefix_split, inputs: q}", "prefix"),
        ("{uses: core.prefix_split, inputs: q}", "rest"),
    ],
)
def test_what_is_made_of_ids_is_of_their_vocabulary(tmp_path: Path, node: str, port: str) -> None:
    words(tmp_path, "words.txt", 50)
    (problem,) = checked(tmp_path, PASSED_ON, NODE=node, PORT=port, OTHER="words.txt").errors
    assert (problem.code, problem.place.line) == ("C222", 11)
    assert "`words.txt` has 50 entries, and module `text` knows 40" in problem.message
    sound = PASSED_ON.replace("vocabulary: 40", "vocabulary: 50")
    assert checked(tmp_path, sound, NODE=node, PORT=port, OTHER="words.txt").ok


def test_texts_that_are_joined_have_one_vocabulary(tmp_path: Path) -> None:
    words(tmp_path, "words.txt", 40)
    words(tmp_path, "other.txt", 40, first="other")
    node = "{uses: core.join_tokens, inputs: {first: q, second: o}}"
    (problem,) = checked(tmp_path, PASSED_ON, NODE=node, PORT="tokens", OTHER="other.txt").errors
    assert (problem.code, problem.place.line) == ("C222", 10)
    assert "puts ids of `words.txt` and of `other.txt` into one text" in problem.message


def test_no_word_is_drawn_that_the_tokenizer_has_not(tmp_path: Path) -> None:
    words(tmp_path, "words.txt", 40)
    node = "{uses: core.mask_tokens, inputs: q, with: {vocabulary: 3000}}"
    (problem,) = checked(tmp_path, PASSED_ON, NODE=node, PORT="masked", OTHER="words.txt").errors
    assert (problem.code, problem.place.line) == ("C222", 10)


def test_an_encoder_of_one_token_type_reads_none(tmp_path: Path) -> None:
    words(tmp_path, "words.txt", 40)
    node = "{uses: core.join_tokens, inputs: {first: q, second: o}}"
    text = PASSED_ON.replace("vocabulary: 40", "vocabulary: 40, token_types: 1").replace(
        "made.PORT}", "made.tokens, token_types: made.token_types}"
    )
    (problem,) = checked(tmp_path, text, NODE=node, OTHER="words.txt").errors
    assert (problem.code, problem.place.line) == ("C209", 11)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff\xfe", b"[PAD]\n", "\n".join([*SPECIAL, "a", "b", "a"]).encode()],
    ids=["empty", "binary", "too short", "doubled"],
)
def test_a_file_that_is_no_vocabulary_is_one_problem_for_each_reader(tmp_path: Path, content: bytes) -> None:
    words(tmp_path, "words.txt", 50)
    (tmp_path / "bad.txt").write_bytes(content)
    values = {"ENCODER": 50, "DECODER": 50, "READS": "bad.txt", "WRITES": "words.txt"}
    (problem,) = checked(tmp_path, DOCUMENT, **values).problems
    assert (problem.code, problem.place.line) == ("C206", 9)
    assert "bad.txt" in problem.message


@pytest.mark.parametrize("name", ["x" * 300, "a/" * 400, ".", "..", "no/such/file", "'a\\0b'", '""'])
def test_a_tokenizer_that_is_no_file_is_one_problem(tmp_path: Path, name: str) -> None:
    words(tmp_path, "words.txt", 50)
    reads = {"ENCODER": 50, "DECODER": 50, "READS": name, "WRITES": "words.txt"}
    writes = {"ENCODER": 50, "DECODER": 50, "READS": "words.txt", "WRITES": name}
    for values, line in ((reads, 9), (writes, 6)):
        (problem,) = checked(tmp_path, DOCUMENT, **values).problems
        assert (problem.code, problem.place.line) == ("C206", line)
        assert len(problem.message) < 600


def test_the_shipped_documents_are_held_against_their_vocabularies() -> None:
    assert check("quickstart", registry=REGISTRY).problems == ()
    assert check("mplug2", registry=REGISTRY).problems == ()
    found = check("quickstart", registry=REGISTRY, settings={"vocabulary": 40}).problems
    assert {problem.code for problem in found} == {"C222"}
    assert len(found) == 2  # the encoder and the decoder, however many tasks call them
