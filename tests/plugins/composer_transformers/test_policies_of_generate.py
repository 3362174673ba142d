"""Every search policy against `generate` of transformers, on decoders alone and on encoders with decoders: equal ids.

What `generate` draws is drawn with our numbers (`drawing`). It has no diverse groups any more: these are held to a
search written out text by text over the library's own scores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from diverse_beams import diverse_beams
from drawing import drawing
from library_options import OURS
from tiny_folders import END, PAD, SEQ2SEQ_CONFIGS, save_folder
from transformers import PreTrainedTokenizerFast

import composer
from composer.execution import Model

MOST = 9
SEEDS = [5, 6, 7]
TEXTS = ["w3 w17 w5 w40 w8 w9 w22 w1", "w60 w2", "w33 w34 w35 w36 w90"]
GREEDY: dict[str, dict[str, Any]] = {
    "repetition": {"repetition_penalty": 1.7},
    "repetition-liked": {"repetition_penalty": 0.7},
    "ngram-1": {"no_repeat_ngram_size": 1},
    "ngram-2": {"no_repeat_ngram_size": 2},
    "least": {"min_new_tokens": 6},
    "forbidden": {"bad_words_ids": [[7], [9, 11], [12]]},
    "last": {"forced_eos_token_id": END},
}
BEAMS: dict[str, dict[str, Any]] = {
    "sums": {"length_penalty": 0.0},
    "means": {"length_penalty": 1.0},
    "long": {"length_penalty": 2.0},
    "short": {"length_penalty": -1.0},
    "stops-early": {"length_penalty": 1.0, "early_stopping": True},
    "stops-never": {"length_penalty": 1.0, "early_stopping": "never"},
    "ruled": {"length_penalty": 1.0, "no_repeat_ngram_size": 2, "bad_words_ids": [[7], [12]]},
    "ended": {"length_penalty": 1.0, "min_new_tokens": 3, "forced_eos_token_id": END},
}
DRAWS: dict[str, dict[str, Any]] = {
    "drawn": {},
    "cold": {"temperature": 0.5},
    "top-k": {"top_k": 4},
    "top-p": {"top_p": 0.7},
    "min-p": {"min_p": 0.2},
    "all-draws": {"temperature": 1.3, "top_k": 9, "top_p": 0.9, "min_p": 0.03, "repetition_penalty": 1.3},
}
SEARCHES: dict[str, dict[str, Any]] = {
    **GREEDY,
    **{name: {"num_beams": 3, **options} for name, options in BEAMS.items()},
    **{name: {"do_sample": True, "top_k": 0, **options} for name, options in DRAWS.items()},
}
CAUSAL_INPUTS = """\
    inputs:
      text:
        modality: prompt
        with: {tokenizer: model/tokenizer.json, template: "{text}", padding: left, frame: none}
    nodes:
      read: {call: model.embed, inputs: {tokens: text.tokens}}
"""
SEQ2SEQ_INPUTS = """\
    inputs: {text: {modality: text, for: model}}
    nodes:
      read: {call: model, inputs: {tokens: text.tokens}}
"""


class Case(NamedTuple):
    folder: Path
    theirs: Any
    is_causal: bool

    def loaded(self, searches: Mapping[str, Mapping[str, Any]]) -> Model:
        """A document with a task for each search, given as the library's options."""
        kind = "causal_lm" if self.is_causal else "seq2seq"
        lines = [
            "composer: 1",
            f"modules: {{model: {{uses: transformers.{kind}, with: {{folder: model}}, weights: model}}}}",
        ]
        lines.append("tasks:")
        for name, options in searches.items():
            port = "prompt" if self.is_causal else "memory"
            lines += [f"  {name}:", (CAUSAL_INPUTS if self.is_causal else SEQ2SEQ_INPUTS).rstrip()]
            asked = json.dumps(_as_ours(options))
            lines.append(f"      reply: {{generate: model, inputs: {{{port}: read}}, with: {asked}}}")
            lines.append("    outputs: {ids: reply.ids, text: reply.text}")
        path = self.folder / "searches.yaml"
        path.write_text("\n".join(lines) + "\n")
        return composer.load(path)

    def written(self, options: Mapping[str, Any]) -> list[list[int]]:
        """What the library writes, up to the end and without it.

        Prompts are given one by one: the library takes the padding before a prompt of states for tokens of the text,
        and its repetition penalty passes over as many.
        """
        if not self.is_causal:
            return [_until_end(row[1:]) for row in self._generated(TEXTS, SEEDS, options)]
        found = zip(TEXTS, SEEDS, strict=True)
        return [_until_end(self._generated([text], [seed], options)[0]) for text, seed in found]

    def _generated(
        self, texts: Sequence[str], seeds: Sequence[int], options: Mapping[str, Any]
    ) -> list[list[int]]:
        with torch.no_grad(), drawing(seeds):
            found = self.theirs.generate(
                **self._given(texts), max_new_tokens=MOST, **{"do_sample": False, **options}
            )
        rows: list[list[int]] = found.tolist()
        return rows

    def _given(self, texts: Sequence[str]) -> dict[str, Any]:
        """A prompt is given as states, so that the library's rules look at the text alone, as ours do."""
        rows = [[int(word[1:]) + 4 for word in text.split()] for text in texts]
        longest = max(map(len, rows))
        gaps = [[PAD] * (longest - len(row)) for row in rows]
        if not self.is_causal:
            ids = torch.tensor([row + gap for row, gap in zip(rows, gaps, strict=True)])
            return {"input_ids": ids, "attention_mask": (ids != PAD).long()}
        ids = torch.tensor([gap + row for row, gap in zip(rows, gaps, strict=True)])
        return {
            "inputs_embeds": self.theirs.get_input_embeddings()(ids),
            "attention_mask": (ids != PAD).long(),
        }

    def logs(self, text: str) -> Any:
        """The log-probabilities of the token after some ids, by the library; those of a decoder follow its start."""
        given = self._given([text])

        def found(ids: Sequence[int]) -> list[float]:
            with torch.no_grad():
                if self.is_causal:
                    more = self.theirs.get_input_embeddings()(
                        torch.tensor([list(ids[1:])], dtype=torch.int64)
                    )
                    states = torch.cat((given["inputs_embeds"], more), 1)
                    scores = self.theirs(inputs_embeds=states).logits
                else:
                    scores = self.theirs(**given, decoder_input_ids=torch.tensor([list(ids)])).logits
            logs: list[float] = scores[0, -1].float().log_softmax(-1).tolist()
            return logs

        return found


def _as_ours(options: Mapping[str, Any]) -> dict[str, Any]:
    """`with` of a `generate` node."""
    policy = (
        "core.sample" if "do_sample" in options else "core.beam" if "num_beams" in options else "core.greedy"
    )
    own = {OURS[name]: value for name, value in options.items() if name in OURS}
    found: dict[str, Any] = {"max_tokens": MOST, "search": {"uses": policy, "with": own}}
    return {**found, "min_tokens": options.get("min_new_tokens", 0)}


def _until_end(row: Sequence[int]) -> list[int]:
    return list(row[: row.index(END)]) if END in row else list(row)


def ours(model: Model, task: str, texts: Any, **seed: Any) -> list[list[int]]:
    ids = model.run(task, text=texts, **seed)["ids"].tolist()
    rows = ids if isinstance(texts, list) else [ids]
    return [_until_end(row[1:]) for row in rows]


@pytest.fixture(scope="module", params=["llama", "gpt2", "t5", "bart", "marian"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp(request.param)
    return Case(folder, save_folder(folder / "model", request.param), request.param not in SEQ2SEQ_CONFIGS)


@pytest.fixture(scope="module")
def model(case: Case) -> Model:
    return case.loaded(SEARCHES)


def trimmed(found: list[list[int]], wanted: list[list[int]]) -> list[list[int]]:
    """Rows of a batch without what fills them up to the longest; a row that is longer than it should be stays so."""
    return [
        row[: len(want)] if set(row[len(want) :]) <= {PAD} else row
        for row, want in zip(found, wanted, strict=True)
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("search", SEARCHES)
def test_ids_are_those_of_generate(case: Case, model: Model, search: str) -> None:
    wanted = case.written(SEARCHES[search])
    drawn = "do_sample" in SEARCHES[search]
    together = ours(model, search, TEXTS, **({"seed": SEEDS} if drawn else {}))
    assert trimmed(together, wanted) == wanted
    assert ours(model, search, TEXTS[1], **({"seed": SEEDS[1]} if drawn else {})) == [wanted[1]]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_searches_are_told_apart(case: Case) -> None:
    """Most of them write something else, and some of their texts end."""
    found = {name: case.written(options) for name, options in SEARCHES.items()}
    assert len({str(rows) for rows in found.values()}) > 0.6 * len(found)
    assert len({len(row) for rows in found.values() for row in rows}) > 1


STOPPED: dict[str, dict[str, Any]] = {
    "greedy": {},
    "sampled": {"do_sample": True, "top_k": 6},
    "beams": {"num_beams": 3, "length_penalty": 0.0},
    "mean-beams": {"num_beams": 4, "length_penalty": 1.0},
    "long-beams": {"num_beams": 3, "length_penalty": 2.0, "early_stopping": "never"},
    "early-beams": {"num_beams": 3, "length_penalty": 1.0, "early_stopping": True},
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_stop_strings_end_texts_where_generate_ends_them(case: Case) -> None:
    """Each begins in one word and ends in another, which the search without it writes one after the other."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(case.folder / "model" / "tokenizer.json"))
    tokenizer.add_tokens(
        ["abcdef"]
    )  # which the library puts before each token, to see what it adds to a text
    plain = case.loaded(STOPPED)
    searches, wanted = {}, {}
    for name, options in STOPPED.items():
        seed = {"seed": SEEDS} if "do_sample" in options else {}
        texts = [text.split() for text in plain.run(name, text=TEXTS, **seed)["text"]]
        stops = [stop for row in texts if (stop := _stop(row))][:2]
        searches[name] = {**options, "stop_strings": stops}
        wanted[name] = case.written({**searches[name], "tokenizer": tokenizer})
    assert any(
        wanted[name] != case.written(options) for name, options in STOPPED.items() if "num_beams" in options
    )
    model = case.loaded(searches)
    for name, options in STOPPED.items():
        seed = {"seed": SEEDS} if "do_sample" in options else {}
        found = ours(model, name, TEXTS, **seed)
        assert [_unfilled(row) for row in found] == [_unfilled(row) for row in wanted[name]], name
        told = model.run(name, text=TEXTS, **seed)["text"]
        assert not any(stop in text for stop in searches[name]["stop_strings"] for text in told)


def _stop(words: list[str]) -> str | None:
    """What ends inside a word of two digits, and is completed by few others: of each beam the library looks at one
    continuation more that ends, and goes on with a text that is over where there are more of them.
    """
    pairs = pairwise(words[1:])
    return next((f"{first[-1]} {second}" for first, second in pairs if len(second) == 3), None)


def _unfilled(row: list[int]) -> list[int]:
    while row and row[-1] == PAD:
        row = row[:-1]
    return row


FORCED: dict[str, dict[str, Any]] = {
    f"{name}-{penalty}".replace(".", "-"): {"forced_bos_token_id": 8, "length_penalty": penalty, **options}
    for name, options in (
        ("sums", {"num_beams": 3}),
        ("early", {"num_beams": 3, "early_stopping": True}),
        ("never", {"num_beams": 4, "early_stopping": "never"}),
    )
    for penalty in (0.0, 1.0, 2.0)
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", ["t5", "bart", "marian"], indirect=True)
def test_a_forced_first_token_counts_in_the_length_as_in_generate(case: Case) -> None:
    """Behind a prompt `generate` forces no token; `test_core_generate` has it behind a start token."""
    searches = {"greedy": {"forced_bos_token_id": 8}, **FORCED}
    model = case.loaded(searches)
    for name, options in searches.items():
        wanted = case.written(options)
        assert {row[0] for row in wanted} == {8}
        assert trimmed(ours(model, name, TEXTS), wanted) == wanted, name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_diverse_groups_are_those_of_a_search_written_out(case: Case, penalty: float) -> None:
    groups = {"beams": 4, "groups": 2, "diversity": 1.5, "length_penalty": penalty}
    search = json.dumps({"uses": "core.beam", "with": groups})
    model = case.loaded({"greedy": {}})
    path = case.folder / "groups.yaml"
    text = (case.folder / "searches.yaml").read_text()
    path.write_text(text.replace('{"uses": "core.greedy", "with": {}}', search))
    model = composer.load(path)
    found = ours(model, "greedy", TEXTS)
    for row, text in zip(found, TEXTS, strict=True):
        (best, _), *_ = diverse_beams(
            case.logs(text), start=-1 if case.is_causal else case.theirs.config.decoder_start_token_id, ends=(END,),
            beams=4, groups=2, diversity=1.5, most=MOST, length_penalty=penalty,
        )  # fmt: skip
        assert trimmed([row], [_until_end(best[1:])]) == [_until_end(best[1:])]
