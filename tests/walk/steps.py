"""The steps of the walk: what README, `--help` and the pages open, with every option of every command on the way."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

__all__ = [
    "ALL",
    "ASK",
    "COMPARED",
    "COMPARISONS",
    "COMPILED",
    "EVALUATED",
    "FIRST_HOUR",
    "LOCKED",
    "MOVED",
    "NEW_PLUGIN",
    "OWN",
    "PLANS",
    "PLUGINS",
    "ROOT",
    "ROWS",
]
__all__ += ["SMALL", "TRAINED", "WEIGHTS", "Step"]

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "examples" / "quickstart" / "picture.png"
CLIP = ROOT / "examples" / "quickstart" / "clip.mp4"
GOLDEN = ROOT / "tests" / "golden"

SMALL = "--set hidden=16 --set image_size=32"
ASK = f'image={PICTURE} question="is there a circle?"'

ENGINES = find_spec("torch_tensorrt") is not None
"""Whether engines can be planned and built here."""


@dataclass(frozen=True)
class Step:
    """A command line, with the exit code and a piece of what it prints."""

    line: str
    prints: str = ""
    code: int = 0
    json: bool = False

    @property
    def words(self) -> list[str]:
        return shlex.split(self.line)


FIRST_HOUR = [
    Step("new first.yaml --recipe", "wrote training/first.yaml"),
    Step("check training/first.yaml", "no problems"),
    Step("check first.yaml", "first.yaml: no problems"),
    Step("check first.yaml quickstart mplug2 mplug2-base", "4 documents: no problems"),
    Step("check first.yaml --set hidden=16", "no problems"),
    Step("check first.yaml --json", json=True),
    *[
        Step(f"check first.yaml --format {name}", json=name != "github")
        for name in ("json", "sarif", "github")
    ],
    Step("check first.yaml --fix --dry-run", "no problems"),
    Step("check first.yaml --fix", "no problems"),
    Step("show first.yaml", "image-qa"),
    Step("show first.yaml:image-qa", "image-qa"),
    Step("show first.yaml --resolved --set hidden=32", "--set"),
    Step("show first.yaml --plan", "encode"),
    Step("show first.yaml:image-qa --cost --at batch=2 question.length=5 --dtype bfloat16", "parameters"),
    *[
        Step(f"show first.yaml --picture first.{suffix}", f"wrote first.{suffix}")
        for suffix in ("svg", "html")
    ],
    Step("show first.yaml --picture mermaid", "flowchart"),
    Step("show first.yaml --picture costs.svg --cost", "wrote costs.svg"),
    Step("show quickstart --plan --objective", "loss"),
    Step("show mplug2:video-qa --closed", "piece"),
    Step(f"run first.yaml --weights initial {SMALL} --json {ASK}", json=True),
    Step(f"run first.yaml --weights initial {SMALL} --seed 3 {ASK}"),
    Step(f"run first.yaml:image-qa --weights initial {SMALL} --dtype bfloat16 --device cpu {ASK}"),
    Step(f"run first.yaml --weights initial {SMALL} --loading-report {ASK}"),
    Step(f"run first.yaml --weights initial {SMALL} --fuse '' {ASK}", "name is empty", code=1),
    Step("explain", "C203"),
    Step("explain C203", "Wrong:"),
    Step("schema", json=True),
    Step("schema --out first.schema.json", "wrote first.schema.json"),
    Step("schema --recipe", json=True),
]

COMPILED = [
    Step(
        f"compile first.yaml --weights initial {SMALL} --out made/first --backend export --range batch=1..2 "
        "--range question.length=7..7 --session image --precision decoder=fp32 --tolerance 0.1 --accept-drift "
        "--device cpu --seed 3 --threads 1 --dtype float32",
        "made/first: image-qa",
    ),
    Step("inspect made/first", "image-qa"),
    Step("inspect made/first --json --no-verify", json=True),
    Step("verify made/first --json --device cpu --threads 1", '"passed": true', json=True),
    Step(f"run made/first:image-qa --json {ASK}", json=True),
    Step(f"run made/first:image-qa --timing --json {ASK}", '"encode"', json=True),
]

MOVED = [
    Step(f"run elsewhere/moved --json {ASK}", json=True),
    Step("verify first.zip", "image-qa: ok"),
    Step(f"run first.zip:image-qa --json {ASK}", json=True),
    Step("inspect first.zip", "image-qa"),
]

PLANS = [
    Step(f"compile first.yaml {SMALL} --plan --json --picture plan.svg", '"image-qa"', json=True),
    Step(
        f"compile first.yaml image-qa {SMALL} --plan --backend tensorrt --target sm89 --memory-limit 1GiB --keep norms "
        "--no-cuda-graphs --require-full --build-cache kept --engine-weights held --engine-sizes apart "
        "--jobs 2",
        "image-qa" if ENGINES else 'pip install "multimodal-composer[tensorrt-rtx]"',
        code=0 if ENGINES else 1,
    ),
]

WEIGHTS = [
    Step(f"run quickstart:image-qa {ASK}", "no\n"),
    Step(f"run quickstart:image-qa --weights quickstart --loading-report {ASK}", "no\n"),
    Step(f"run quickstart:image-caption image={PICTURE}"),
    Step(f"run quickstart:video-caption video={CLIP}"),
    Step(f"run child.yaml:image-qa {ASK}", "no\n"),
    Step(f"run child.yaml:classify image={PICTURE} --init head --json", json=True),
    Step(f"run quickstart:image-qa --weights wrapped.safetensors --root ema {ASK}", "no\n"),
    Step(
        f"run quickstart:image-qa --weights wrapped.safetensors --layout mplug2 {ASK}",
        "layout mplug2",
        code=1,
    ),
    Step(
        "compile quickstart:image-qa --weights wrapped.safetensors --layout mplug2 --out made/none",
        "layout mplug2",
        code=1,
    ),
    Step(f"run quickstart:image-caption --stream image={PICTURE}"),
    Step(f"run quickstart:image-caption --timing image={PICTURE}"),
    Step(f"run quickstart:image-caption --timing --stream image={PICTURE}"),
    Step(f"run quickstart:image-caption --timing --json image={PICTURE}", '"beside_ms"', json=True),
    Step(
        "compile child.yaml:classify --weights wrapped.safetensors --root ema --init head --loading-report "
        "--out made/child",
        "made/child: classify",
    ),
]

CASE = shlex.quote(str(GOLDEN / "mplug2" / "text.yaml"))

LOCKED = [
    Step("lock quickstart", "wrote quickstart.lock: 1 weight file"),
    Step(f"run quickstart:image-qa --locked {ASK}", "no\n"),
    Step(
        "import wrapped.safetensors --root ema --dtype float16 --loading-report --out made/anew",
        "model.safetensors",
    ),
    Step("import wrapped.safetensors --layout gguf --out made/not", "no rule of the layout gguf", code=1),
    Step(
        "import wrapped.safetensors --layout mplug2 --document mplug2-base --set beams=2 --config gone.json --out no",
        "gone.json cannot be read",
        code=1,
    ),
    Step("lock first.yaml --weights initial --layout mplug2 --set hidden=16", "wrote first.yaml.lock"),
    Step("check first.yaml --locked", "no problems"),
    Step("show first.yaml --locked", "image-qa"),
    Step(
        "lock child.yaml --weights vision=wrapped.safetensors --root vision=ema --init head",
        "wrote child.yaml.lock",
    ),
    Step(f"run child.yaml:image-qa --locked {ASK}", "does not allow this", code=1),
    Step(
        "run child.yaml:classify --locked --weights vision=wrapped.safetensors --root vision=ema --init head "
        f"--loading-report image={PICTURE}",
        "fresh: --init head",
    ),
    Step("compile first.yaml --plan --locked", "image-qa"),
    Step(f"compare {CASE} --locked", "there is no", code=1),
]

NEW_PLUGIN = [
    Step("plugins new audio --kind module --kind subgraph --into .", "next: pip install -e composer-audio")
]

PLUGINS = [
    Step("plugins list", "audio"),
    Step("plugins list --traceback", "core"),
    Step("plugins list resnet18", "a1_in1k"),
    Step("plugins show core.linear", "module type core.linear"),
    Step("plugins show audio.gate", "audio.gate"),
    Step("plugins check audio --threads 1", "passed"),
    Step("plugins check audio audio.gate --json", json=True),
    Step("plugins check audio --format json", json=True),
    Step("check gated.yaml", "no problems"),
    Step("run gated.yaml --weights initial question=hello --json", json=True),
    Step("compile gated.yaml --weights initial --out made/gated", "made/gated"),
    Step("run made/gated question=hello --json", json=True),
]

TRAINED = [
    Step("check small.yaml", "no problems"),
    Step("lock quickstart", "wrote quickstart.lock: 1 weight file"),
    Step("train quickstart --recipe small.yaml --task video-caption --check --locked", "can begin"),
    Step(
        "train quickstart --recipe small.yaml --task video-caption --check --set hidden=16 --set heads=2 "
        "--set image_size=32",
        "can begin",
    ),
    Step(
        "train quickstart --recipe small.yaml --task video-caption --epochs 1 --seed 3 --threads 1 --out trained "
        "--set hidden=16 --set heads=2 --set image_size=32 --device cpu --precision fp32"
    ),
    Step(
        "train quickstart --recipe small.yaml --task video-caption --epochs 1 --seed 3 --threads 1 --out trained "
        "--set hidden=16 --set heads=2 --set image_size=32 --resume --dtype float32 "
        "--save-every '3 steps' --processes 1"
    ),
    Step(
        "train quickstart:video-caption --recipe small.yaml --epochs 1 --out tuned --tensorboard events "
        "--weights trained.safetensors --set hidden=16 --set heads=2 --set image_size=32 --init decoder "
        "--loading-report",
        "begins with the weights of trained.safetensors; decoder begins with fresh weights",
    ),
    Step(
        "train quickstart --recipe small.yaml --task video-caption --check --weights wrapped.safetensors --root ema "
        "--layout none",
        "there is no layout `none`",
        code=1,
    ),
    Step(f"run quickstart:video-caption --weights trained.safetensors --set hidden=16 --set heads=2 "
         f"--set image_size=32 video={CLIP}"),
]  # fmt: skip

OWN = [
    Step("new colors.yaml --data shades.csv --label shade", "2 classes (blue, red)"),
    Step("check colors.yaml", "no problems"),
    Step("train colors.yaml --data shades.csv --map label=shade --check", "no input `label`", code=1),
    Step(
        "train own.yaml:sort --data train=own.csv --data validation=more.csv --map color=shade --id name "
        "--media-root . --bad-rows skip --absent-classes allow --write-recipe training/written.yaml --epochs 2",
        "wrote training/written.yaml",
    ),
    Step("check training/written.yaml", "no problems"),
    Step("train own.yaml --recipe training/written.yaml --out own --batch-size 2 --learning-rate 1e-2"),
    Step(
        "train own.yaml --data own.csv --map color=shade --validation-share 0.3 --test-share 0.4 "
        "--split-seed 2 --check",
        "epochs can begin",
    ),
    Step("train own.yaml --data own.csv --map color=shade --split-by part --check", "epochs can begin"),
    Step("train own.yaml --data own.csv --check", "--map color=COLUMN", code=1),
    Step("train own.yaml --data own.csv --map color=shade --shard", "--processes N", code=1),
    Step("run own.yaml --weights own.safetensors point=[1,2]", "[", json=True),
]

QUESTIONS = ROOT / "examples" / "quickstart" / "questions.jsonl"
ROWS = [
    Step(f"run quickstart:image-qa --rows {QUESTIONS} --out answers.jsonl --batch-size 2 --workers 1 --id id "
         "--keep question --threads 1 --json", '"answered": 4', json=True),
    Step(f"run quickstart:image-qa --rows {QUESTIONS} --out answers.jsonl --keep question --resume",
         "4 of them before"),
    Step(f"run quickstart:image-qa --rows {QUESTIONS} --out answers.jsonl --map question=id --overwrite",
         "4 rows answered, 0 failed"),
    Step(f"run quickstart:image-qa --rows asked.csv --media-root {QUESTIONS.parent} --out answers.csv",
         "1 row answered, 2 failed", code=1),
    Step(f"run quickstart:image-qa --rows asked.csv --media-root {QUESTIONS.parent} --out answers.csv --retry",
         "1 row answered, 2 failed, 1 of them before", code=1),
    Step(f"run quickstart:image-caption --rows '{QUESTIONS.parent}/*.png' --out captions.tsv", "1 row answered"),
]  # fmt: skip

KNOWN = f"--data known.csv --reference answer --media-root {QUESTIONS.parent}"
EVALUATED = [
    Step(f"evaluate quickstart:image-qa {KNOWN} --out scores/a --batch-size 2 --workers 0 --id id --threads 1",
         "1.0000"),
    Step(f"evaluate quickstart:image-qa {KNOWN} --out scores/a --resume --worst 1", "(3 rows were answered before)"),
    Step(f"evaluate quickstart:image-qa {KNOWN} --out scores/b --map question=id --overwrite --device cpu"
         " --metric same=core.exact_match,ignore_case=true --output answer --json", '"same"', json=True),
    Step(f"evaluate quickstart:image-qa {KNOWN} --out scores/b --map question=id --retry --resamples 50 --draws 3"
         " --metric core.exact_match --against scores/a", "it cannot be told which is better"),
    Step("evaluate --against scores/a scores/b --json", '"left_out": 0', json=True),
    Step(f"evaluate first.yaml {KNOWN} --weights initial {SMALL} --dtype bfloat16 --seed 1", "core.exact_match"),
    Step("evaluate quickstart:image-qa --data easy-vqa.questions --with pictures=2 --split test --reference answer",
         "easy-vqa.questions (test)"),
    Step(f"evaluate quickstart:image-qa {KNOWN} --split-by part --split test", "has no column `part`", code=1),
    Step(f"evaluate quickstart:image-qa {KNOWN} --rerank image-caption", "compares no two vectors", code=1),
    Step(f"evaluate quickstart:image-qa {KNOWN} --locked", "there is no quickstart.lock", code=1),
    Step(f"evaluate quickstart:image-qa {KNOWN} --loading-report --layout none", "none", code=1),
    Step(f"evaluate quickstart:image-qa {KNOWN} --weights quickstart --root ema --init decoder", "ema", code=1),
]  # fmt: skip

COMPARISONS = [
    Step("diff mplug2:video-qa mplug2:image-qa --picture difference.svg", "modules: 7 same"),
    Step("diff quickstart mplug2 --json --exit-code", '"only in B"', json=True, code=1),
    Step("diff quickstart:image-caption quickstart:video-caption --cost", "in common"),
    Step("suggest --from image,text --to text --using mplug2 --most 2 --cost", "2. mplug2.vision_encoder"),
    Step("suggest --from text --to embedding --quick --json", '"proposals"', json=True),
    Step("suggest --from text --to embedding --pick 2 --out found.yaml"),
    Step("suggest --from text --to embedding --quick --objective --out trainable.yaml"),
    Step("check found.yaml", "no problems"),
]

COMPARED = [
    Step(f"compare {CASE}"),
    Step(f"compare {CASE} --json --data {shlex.quote(str(GOLDEN / 'mplug2' / 'text'))}", json=True),
    Step(f"compare {CASE} --format json --device cpu --dtype float32 --threads 1 --seed 0", json=True),
]

ALL = [
    *FIRST_HOUR,
    *COMPILED,
    *MOVED,
    *PLANS,
    *WEIGHTS,
    *LOCKED,
    *NEW_PLUGIN,
    *PLUGINS,
    *TRAINED,
    *OWN,
    *ROWS,
    *EVALUATED,
    *COMPARISONS,
    *COMPARED,
]
