"""A plugin that is right, and every way to spoil one of its functions, written where Python finds it installed."""

from __future__ import annotations

import sys
from importlib import invalidate_caches
from pathlib import Path

__all__ = ["FAULTS", "SITES", "faulty_plugin", "forget"]

DECLARES = '''
"""Declares one of everything."""

from pydantic import field_validator

from composer.plugin import Config, GenerateOptions, Generation, Layout, Method, Modality, ModuleType, Rule
from composer.plugin import SearchChoice, SearchPolicy, Vocabulary, hookimpl
from composer.types import Signature

#import


class Numbers(Config):
    count: int = 3

    @field_validator("count")
    @classmethod
    def check(cls, value):
        #validator
        return value


class Width(Config):
    factor: int = 2

    @field_validator("factor")
    @classmethod
    def check(cls, value):
        #type_validator
        return value


class Options(GenerateOptions):
    search: SearchChoice = SearchChoice(uses="faulty.search")
    more: int = 0

    @field_validator("more")
    @classmethod
    def check(cls, value):
        #options_validator
        return value


def ports(config):
    #ports
    return {"numbers": f"states[B, {config.count}, 4]"}


def host(config):
    #host
    return {"raw": f"states[B, {config.count}, 4]"}


def signature(config):
    #signature
    return Signature({"states": "states[B, N, D]"}, {"states": "states[B, N, D]"})


def adapter(given, wanted):
    #adapter
    return None


def writes(config, options):
    #generation_signature
    return Signature({"memory": "states[B, N, D]*"}, {"text": "text[B]", "ids": "labels[B, T]"})


def vocabulary(config):
    #vocabulary
    return Vocabulary("text", {"tokenizer": "bert-uncased"}, start=101, end=102, pad=0)


def ranges(config):
    #ranges
    return {"B": (1, 100)}


def carries(config):
    #carries
    return {}


def classes(config):
    #classes
    return ("one", "two")


@hookimpl
def composer_register(register):
    #hook
    parts = "faulty_parts"
    register(
        Modality(
            "faulty.numbers", Numbers, ports, f"{parts}:Processor", "Numbers.", f"{parts}:Prepare",
            host=host, ranges=ranges, vocabulary=carries, classes=classes,
        ),
        ModuleType(
            "faulty.double", Width, {"forward": Method(signature)}, f"{parts}:build", "Twice.",
            stateless=True, adapter=adapter,
        ),
        ModuleType(
            "faulty.decoder", Width, {}, f"{parts}:Decoder", "Writes.",
            generation=Generation(writes, vocabulary, options=Options),
        ),
        SearchPolicy("faulty.search", f"{parts}:Search", "Searches.", streams=lambda config: True),
        Layout("faulty.layout", "A layout.", lambda parameters: (Rule("(.*)", r"\\1"),)),
    )
'''

PARTS = '''
"""The torch side."""

import numpy as np
import torch
from torch import nn

from composer.types import States

#parts_import


class Processor:
    def __init__(self, config):
        #processor
        self.count = config.count

    def encode(self, values):
        #encode
        rows = [[float(word) for word in str(value).split()] for value in values]
        return {"raw": States(np.ones((len(rows), self.count, 4), "float32"), None)}


class Prepare(nn.Module):
    def __init__(self, config):
        #prepare
        super().__init__()

    def forward(self, *, raw):
        #prepare_forward
        return {"numbers": raw}


class Double(nn.Module):
    def forward(self, *, states):
        #forward
        return States(states.values * 2, states.mask)


def build(config):
    #builder
    return Double()


class Decoder(nn.Module):
    def __init__(self, config):
        #decoder
        super().__init__()
        self.head = nn.Linear(4, 30522)

    def start(self, *, memory, beams, max_tokens):
        #start
        return Cache(memory[0].values.sum(1).unsqueeze(1).expand(-1, beams, -1))

    def step(self, ids, cache):
        #step
        return self.head(cache.values), cache


class Cache(tuple):
    def __new__(cls, values):
        return super().__new__(cls, (values,))

    values = property(lambda self: self[0])
    device = property(lambda self: self[0].device)

    def reorder(self, parents):
        return self

    def select(self, rows):
        return Cache(self.values[rows])


class Hypothesis:
    def __init__(self, ids):
        self.ids, self.score = ids, 0.0


class Search:
    def __init__(self, *, config, framing):
        #policy
        self.tokens = framing.max_tokens

    def search(self, step, cache, batch):
        #search
        found = [[101] for _ in range(batch)]
        for _ in range(2):
            logits, cache = step(torch.ones((batch, 1), dtype=torch.int64, device=cache.device), cache)
            for row, each in zip(found, logits[:, 0].argmax(-1).tolist()):
                row.append(int(each))
        return [[Hypothesis(tuple(row))] for row in found]

    def stream(self, step, cache):
        yield 5
'''

FAULTS = {
    "raises": 'raise RuntimeError("boom\\nand a second line")',
    "key": 'raise KeyError("width")',
    "exits": "raise SystemExit(0)",
    "leaves": 'raise SystemExit("please install more")',
    "none": "return None",
    "wrong": "return object()",
    "wrong_map": 'return {"odd": 1}',
    "recursion": "def again(): again()\nINDENTagain()",
    "odd_exception": "raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})()",
    "os_error": 'raise FileNotFoundError(2, "No such file or directory", "/data/words.txt")',
}
"""What a spoilt function does in place of its work."""

CHECKED = (
    "import",
    "hook",
    "validator",
    "type_validator",
    "options_validator",
    "ports",
    "host",
    "signature",
    "generation_signature",
    "vocabulary",
    "ranges",
    "carries",
    "classes",
)
"""What a check asks."""
BUILT = ("parts_import", "processor", "prepare", "builder", "decoder", "policy")
RUN = ("encode", "prepare_forward", "forward", "start", "step", "search")
SITES = (*CHECKED, *BUILT, *RUN)


def faulty_plugin(folder: Path, site: str = "", fault: str = "pass") -> None:
    """Write the plugin `faulty`, with the statement `fault` at the beginning of the function `site`."""
    for name, source in (("faulty", DECLARES), ("faulty_parts", PARTS)):
        rows = [_spoilt(row, site, fault) for row in source.splitlines()]
        (folder / f"{name}.py").write_text("\n".join(rows) + "\n")
    write_metadata(folder, "faulty")


def _spoilt(row: str, site: str, fault: str) -> str:
    """A row of the source; where it marks a site, the fault or nothing."""
    mark = row.strip()
    if not mark.startswith("#"):
        return row
    indent = row[: len(row) - len(mark)]
    return f"{indent}{fault.replace('INDENT', indent)}" if mark == f"#{site}" else ""


def write_metadata(folder: Path, name: str, entry: str | None = None) -> None:
    metadata = folder / f"composer_{name}-1.0.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: composer-{name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[composer]\n{entry or f'{name} = {name}'}\n")


def forget(*names: str) -> None:
    """Let Python import modules anew."""
    for name in list(sys.modules):
        if name.partition(".")[0] in names:
            del sys.modules[name]
    invalidate_caches()
