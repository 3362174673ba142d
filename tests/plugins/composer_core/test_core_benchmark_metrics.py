"""The metrics of the benchmarks: against published code and its recorded output, against examples and by hand."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from composer_core.metrics.boxes import overlap
from composer_core.metrics.caption_words import caption_words
from composer_core.metrics.vqa import clean_answer
from metric_scores import scored

from composer.plugin import Registry, load_registry
from composer.problems import ComposerError


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


WORDS = [
    # Output of edu.stanford.nlp.process.PTBTokenizer -preserveLines -lowerCase (CoreNLP 3.4.1, which pycocoevalcap 1.2
    # ships), without the punctuation that pycocoevalcap's PTBTokenizer leaves out.
    ("A man's riding a wave on top of a surfboard.", "a man 's riding a wave on top of a surfboard"),
    (
        "Two people don't sit at the table; it's empty!",
        "two people do n't sit at the table it 's empty",
    ),
    (
        "a black-and-white t-shirt (worn by a boy) & a hat",
        "a black-and-white t-shirt -lrb- worn by a boy -rrb- & a hat",
    ),
    (
        "He said \"hello\" to the dog's owner, didn't he?",
        "he said hello to the dog 's owner did n't he",
    ),
    (
        "the dogs' bowl costs $5.50 or 3,000 yen, 50% off",
        "the dogs bowl costs $ 5.50 or 3,000 yen 50 % off",
    ),
    ("a man can't stop... he cannot go -- why ?", "a man ca n't stop he can not go why"),
    ("gonna wanna they'll we've I'm she'd you're", "gon na wan na they 'll we 've i 'm she 'd you 're"),
    (
        "a #1 fan and/or a 4x4 truck at 10:30 a.m. in the U.S. today",
        "a # 1 fan and/or a 4x4 truck at 10:30 a.m. in the u.s. today",
    ),
    ("2 dogs & 3 cats at 5:00pm.", "2 dogs & 3 cats at 5:00 pm"),
    ("people's faces, dogs, cats,birds and fish", "people 's faces dogs cats birds and fish"),
    ("Mr. Smith etc. in Jan. 5th Ave.", "mr. smith etc. in jan. 5th ave."),
    ("the boys' team won 3-2 (yesterday).", "the boys team won 3-2 -lrb- yesterday -rrb-"),
]


@pytest.mark.parametrize(("text", "words"), WORDS, ids=[words for _, words in WORDS])
def test_captions_are_cut_as_the_official_tokenizer_cuts_them(text: str, words: str) -> None:
    assert caption_words(text) == words.split()


def captions() -> tuple[list[str], list[list[str]]]:
    """Forty captions with one to five references each, of few words, so that much is alike."""
    random = np.random.default_rng(11)
    words = [
        "a",
        "man",
        "dog",
        "cat",
        "rides",
        "runs",
        "sits",
        "on",
        "in",
        "the",
        "big",
        "red",
        "small",
        "wave",
        "and",
    ]

    def caption() -> str:
        return " ".join(random.choice(words, random.integers(3, 12)))

    references = [[caption() for _ in range(random.integers(1, 6))] for _ in range(40)]
    predictions = []
    for each in references:
        kept = [word for word in each[0].split() if random.random() < 0.8]
        predictions.append(" ".join(kept + caption().split()[:2]))
    return predictions, references


def test_caption_metrics_are_those_of_the_published_code(registry: Registry) -> None:
    reason = "the published code, without its Java parts"
    bleu, cider, rouge = (
        pytest.importorskip(f"pycocoevalcap.{name}.{name}", reason=reason)
        for name in ("bleu", "cider", "rouge")
    )
    predictions, references = captions()
    found, right = ({n: [p] for n, p in enumerate(predictions)}, dict(enumerate(references)))
    bleus, each_bleu = bleu.Bleu(4).compute_score(right, found, verbose=0)
    for n in range(1, 5):
        own = scored(registry, "core.bleu", predictions, references, n=n)
        assert own.value == pytest.approx(bleus[n - 1], rel=1e-5)
        np.testing.assert_allclose(own.samples, each_bleu[n - 1], atol=2e-3)  # it adds 1e-15 to what is zero
    for id_, code in (("core.rouge_l", rouge.Rouge()), ("core.cider", cider.Cider())):
        value, each = code.compute_score(right, found)
        own = scored(registry, id_, predictions, references)
        assert own.value == pytest.approx(value, rel=1e-9)
        np.testing.assert_allclose(own.samples, each, rtol=1e-6, atol=1e-9)


def test_bleu_of_the_papers_example(registry: Registry) -> None:
    """Papineni and others 2002, section 2: 7 of `the` are clipped to 2 of 7; example 1 has 17 of 18 unigrams and 10 of
    17 bigrams."""
    the = "the the the the the the the"
    cats = ["The cat is on the mat.", "There is a cat on the mat."]
    assert scored(registry, "core.bleu", [the], [cats], n=1).value == pytest.approx(2 / 7)
    candidate = (
        "It is a guide to action which ensures that the military always obeys the commands of the party."
    )
    references = [
        "It is a guide to action that ensures that the military will forever heed Party commands.",
        "It is the guiding principle which guarantees the military forces always being under the command of the Party.",
        "It is the practical guide for the army always to heed the directions of the party.",
    ]
    assert scored(registry, "core.bleu", [candidate], [references], n=1).value == pytest.approx(17 / 18)
    expected = math.sqrt(17 / 18 * 10 / 17)
    assert scored(registry, "core.bleu", [candidate], [references], n=2).value == pytest.approx(expected)


def test_rouge_of_the_papers_example(registry: Registry) -> None:
    """Lin 2004, section 3: two texts with 3 and 2 words in common with the reference, in order: 3/4 and 2/4, whatever
    beta is, where precision and recall are equal.
    """
    reference = "police killed the gunman"
    found = scored(
        registry, "core.rouge_l", ["police kill the gunman", "the gunman kill police"], [reference] * 2
    )
    assert list(found.samples) == pytest.approx([3 / 4, 2 / 4])


def test_plain_cider_is_a_cosine_of_rarity(registry: Registry) -> None:
    """By hand: of two pictures, `cat` and `a cat` are those of one; `a` is of both and weighs nothing."""
    predictions, references = ["a cat", "a dog"], [["a cat"], ["a dog ran"]]
    found = scored(registry, "core.cider", predictions, references, variant="cider")
    one = 10 * (1 + 1) / 4  # the same unigrams and bigrams; no longer ones
    # unigrams: dog of dog and ran; bigrams: `a dog` of `a dog` and `dog ran`; each shares one of two
    other = 10 * (1 / math.sqrt(2) + 1 / math.sqrt(2)) / 4
    assert list(found.samples) == pytest.approx([one, other])
    repeated = scored(registry, "core.cider", ["a cat cat cat", "a dog"], references)
    plain = scored(registry, "core.cider", ["a cat cat cat", "a dog"], references, variant="cider")
    assert repeated.samples[0] < plain.samples[0]


CLEANED = [
    ("The cat.", "cat"), ("a red, apple", "red apple"), ("two", "2"), ("None", "0"), ("dont", "don't"),
    ("youd've", "you'd've"), ("twas", "'twas"), ("3,000", "3000"), ("1/2", "1 2"), ("t-shirt", "t shirt"),
    ("black/white", "black white"), ("10:30", "10:30"), ("2.5", "2.5"), ("yes!", "yes"), ("what's up?", "what's up"),
    ("somebody'd", "somebodyd"), ("lets", "lets"), (" yes\n", "yes"), ("ten an one", "10 1"), ("a.m.", "am"),
]  # fmt: skip
"""By the published code (PythonEvaluationTools/vqaEvaluation/vqaEval.py of GT-Vision-Lab/VQA, a013f00)."""


@pytest.mark.parametrize(("text", "cleaned"), [c for c in CLEANED if c[0] != "yes!"])
def test_answers_are_cleaned_as_officially(text: str, cleaned: str) -> None:
    assert clean_answer(text) == cleaned


def test_a_sign_without_a_space_beside_it_becomes_one() -> None:
    assert clean_answer("yes!") == "yes"
    assert clean_answer("yes!no") == "yes no"
    assert clean_answer("yes ! no") == "yes no"


def test_vqa_accuracy_leaves_each_person_out_once(registry: Registry) -> None:
    """min(hits/3, 1) over every nine of ten, in whole; published tables: 0, 0.3, 0.6, 0.9 and 1 for 0 to 4 hits."""
    for hits, value in enumerate((0, 0.3, 0.6, 0.9, 1.0, 1.0)):
        people = ["yes"] * hits + [f"no {n}" for n in range(10 - hits)]
        each = [min(1, sum(p == "yes" for p in nine) / 3) for nine in combinations(people, 9)]
        assert np.mean(each) == pytest.approx(value)
        assert scored(registry, "core.vqa_accuracy", ["Yes"], [people]).value == pytest.approx(value)
    official = [{"answer": "a red hat", "answer_id": n} for n in range(10)]
    assert (
        scored(registry, "core.vqa_accuracy", ["red hat"], [official]).value == 0.0
    )  # all agree: left as they are
    assert scored(registry, "core.vqa_accuracy", ["Yes!"], [["yes."] * 5 + ["yes"] * 5]).value == 1.0


def test_boxes_overlap_as_areas_say(registry: Registry) -> None:
    one, other = np.array([0.0, 0.0, 2.0, 2.0]), np.array([1.0, 1.0, 3.0, 3.0])
    assert overlap(one, other) == pytest.approx(1 / 7)
    grid = np.indices((40, 40)).reshape(2, -1).T / 10 + 0.05  # counted point by point
    random = np.random.default_rng(0)
    for _ in range(20):
        low = random.integers(0, 20, (2, 2)) / 10
        boxes = np.concatenate((low, low + random.integers(1, 20, (2, 2)) / 10), axis=1)
        inside = [((grid > box[:2]) & (grid < box[2:])).all(axis=1) for box in boxes]
        expected = (inside[0] & inside[1]).sum() / (inside[0] | inside[1]).sum()
        assert overlap(boxes[0], boxes[1]) == pytest.approx(expected)
    half = ([0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.5])
    assert scored(registry, "core.box_accuracy", [half[0]], [half[1]]).value == 1.0  # 0.5 itself is enough
    assert scored(registry, "core.box_accuracy", [half[0]], [half[1]], threshold=0.51).value == 0.0
    moved = ([1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 1.0])
    assert scored(registry, "core.box_accuracy", [moved[0]], [moved[1]], form="xywh").value == 1.0


def test_recall_counts_by_sorting_in_both_directions(registry: Registry) -> None:
    """Pictures with several captions each: a picture beside each of its captions counts once."""
    random = np.random.default_rng(4)
    pictures = random.normal(size=(12, 6))
    owners = [n for n in range(12) for _ in range(3)]
    texts = np.stack([pictures[n] + random.normal(size=6) * 1.2 for n in owners])
    pairs = [(pictures[n], text) for n, text in zip(owners, texts, strict=True)]
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)  # noqa: E731
    scores = unit(pictures) @ unit(texts).T
    recalls = []
    for direction, table, right in (
        ("forward", scores, [[t for t, n in enumerate(owners) if n == p] for p in range(12)]),
        ("backward", scores.T, [[n] for n in owners]),
    ):
        places = []
        for row, wanted in zip(table, right, strict=True):
            order = list(np.argsort(-row))
            places.append(1 + min(order.index(each) for each in wanted))
        for k in (1, 5):
            own = scored(registry, "core.recall_at_k", pairs, owners, k=k, direction=direction).value
            assert own == pytest.approx(np.mean([place <= k for place in places]))
        recalls += [np.mean([place <= k for place in places]) for k in (1, 5, 10)]
        own = scored(registry, "core.median_rank", pairs, owners, direction=direction).value
        assert own == pytest.approx(np.median(places))
    assert scored(registry, "core.mean_recall", pairs, owners).value == pytest.approx(np.mean(recalls))


def test_rows_of_scores_are_ranked_and_ties_are_lost(registry: Registry) -> None:
    rows, right = (
        [np.array([0.9, 0.5, 0.1]), np.array([0.5, 0.5, 0.5]), np.array([0.1, 0.2, 0.9])],
        [0, 1, [0, 1]],
    )
    assert scored(registry, "core.median_rank", rows, right).value == 2.0  # places 1, 3 and 2
    assert scored(registry, "core.recall_at_k", rows, right, k=2).value == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("id_", "predictions", "references", "said"),
    [
        ("core.vqa_accuracy", ["yes"], ["yes"], "compares with the answers of several people"),
        ("core.box_accuracy", [np.ones(4)], [[1, 2]], r"the reference has the shape \[2\]"),
        ("core.box_accuracy", [np.ones(4)], ["left"], "is not a box"),
        ("core.box_accuracy", [np.ones(3)], [[1, 2, 3, 4]], r"a prediction has the shape \[3\]"),
        ("core.recall_at_k", [np.ones(1)], [0], "the best 1 of 1 candidates always hold the right one"),
        ("core.recall_at_k", [np.ones(3)], [7], "is not the number of one of 3 candidates"),
        ("core.recall_at_k", [np.ones(3)], [None], "the reference None is not a number"),
        ("core.recall_at_k", [(np.ones(3), np.ones(2))], ["a"], "only vectors of one width"),
        ("core.bleu", ["a"], [[]], "empty list"),
    ],
)
def test_what_cannot_be_scored_is_one_sentence(
    registry: Registry, id_: str, predictions: Any, references: Any, said: str
) -> None:
    with pytest.raises(ComposerError, match=said) as raised:
        scored(registry, id_, predictions, references)
    assert "\n" not in str(raised.value)


def test_hidden_tokens_of_all_texts_count_together(registry: Registry) -> None:
    """Two texts with 1 of 2 and 3 of 6 tokens told; one with nothing hidden says nothing."""
    found = [
        (np.float32(right), np.float32(cost), np.float32(count))
        for right, cost, count in ((1, 3, 2), (3, 1, 6), (0, 0, 0))
    ]
    none: list[Any] = [None] * 3
    assert scored(registry, "core.token_accuracy", found, none).value == pytest.approx(4 / 8)
    assert scored(registry, "core.perplexity", found, none).value == pytest.approx(math.exp(4 / 8))
    functional = pytest.importorskip("torchmetrics.functional.text", reason="an independent perplexity")
    logits, labels = torch.randn(2, 5, 7), torch.tensor([[1, -100, 3, 4, 5], [-100, 0, -100, 6, 2]])
    each = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none").sum(1)
    rows = [
        (0.0, cost, count)
        for cost, count in zip(each.tolist(), (labels != -100).sum(1).tolist(), strict=True)
    ]
    own = scored(registry, "core.perplexity", rows, [None] * 2).value
    assert own == pytest.approx(functional.perplexity(logits, labels, ignore_index=-100).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("rows", "said"),
    [([(0.0, 0.0, 0.0)], "no token of any text was hidden"), ([(3.0, 1.0, 2.0)], "name the outputs `right`")],
)
def test_counts_that_cannot_be_are_one_sentence(registry: Registry, rows: Any, said: str) -> None:
    with pytest.raises(ComposerError, match=said):
        scored(registry, "core.perplexity", rows, [None])
