"""Recipes: read as documents are, and refused with the place and the cure of every fault at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.plugin import Metric, Register, Registry, hookimpl, load_registry
from composer.problems import DocumentError, Problem
from composer.recipes import check_recipe, looks_like_recipe, read_recipe

GOOD = """\
document: quickstart
epochs: 2
learning_rate: 1e-3
tasks:
  image-qa:
    dataset: easy-vqa.questions
    with: {pictures: 10}
    fields: {target: answer}
    group: {by: image, counts: counts}
    batch: 4
    output: answer
    reference: answer
    metrics: {accuracy: quickstart.exact_match}
"""


@pytest.fixture(scope="module")
def registry() -> Registry:
    class Plugin:
        @staticmethod
        @hookimpl
        def composer_register(register: Register) -> None:
            register(Metric("demo.top_class", "demo:top", "For class scores.", takes=("scores",)))

    return load_registry([("demo", Plugin())])


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(tmp_path: Path, text: str, registry: Registry) -> list[Problem]:
    return list(check_recipe(written(tmp_path, text), registry=registry).problems)


def test_a_recipe_is_read_with_its_defaults(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, GOOD))
    assert (recipe.epochs, recipe.seed, recipe.learning_rate, recipe.spread) == (2, 0, 0.001, 1.0)
    assert recipe.threads == 1
    task = recipe.tasks["image-qa"]
    assert task.with_ == {"pictures": 10}
    assert task.group is not None
    assert (task.group.by, task.group.counts) == ("image", "counts")


def test_a_good_recipe_has_no_problem(tmp_path: Path, registry: Registry) -> None:
    assert problems(tmp_path, GOOD, registry) == []


CASES = [
    # what is written, what in its place, code, line, column, a word of the message, a word of a hint
    ("epochs: 2", "epochs: 0", "C102", 2, 9, "at least 1, not 0", "Passes over the data"),
    ("epochs: 2", "epochs: two", "C102", 2, 9, "a whole number, not text", "Passes"),
    ("epochs: 2", "epochs: 2.5", "C102", 2, 9, "a whole number, not 2.5", "Passes"),
    ("epochs: 2", "epochs: true", "C102", 2, 9, "not true or false", "Passes"),
    ("epochs: 2", "epochs: 99999999", "C102", 2, 9, "at most 1000000", "Passes"),
    ("epochs: 2", "epoch: 2", "C101", 2, 1, "no key `epoch`", "did you mean `epochs`"),
    ("epochs: 2\n", "", "C102", 1, 1, "needs the key `epochs`", "Passes"),
    ("epochs: 2", "epochs: 2\nepochs: 3", "C003", 3, 1, "written twice", "remove one"),
    ("epochs: 2", "epochs: 2\nseed: -1", "C102", 3, 7, "at least 0", "Draws"),
    ("epochs: 2", "epochs: 2\nthreads: 0", "C102", 3, 10, "at least 1", "Threads"),
    ("epochs: 2", "epochs: 2\nwarmup: 1.0", "C102", 3, 9, "below 1", "rate rises"),
    ("epochs: 2", "epochs: 2\nclip: 0", "C102", 3, 7, "above 0", "gradient"),
    ("epochs: 2", "epochs: 2\nclip: none", "C102", 3, 7, "a number, not text", "write `null`"),
    ("epochs: 2", "epochs: 2\nema: none", "C102", 3, 6, "a number, not text", "leave the key out"),
    ("epochs: 2", "epochs: 2\nrestarts: 1", "C102", 3, 11, "a list, not 1", "Epochs"),
    ("epochs: 2", "epochs: 2\nrestarts: [1, 1]", "C102", 3, 11, "later than the one before", "Epochs"),
    ("epochs: 2", "epochs: 2\nrestarts: [2]", "C407", 3, 11, "names no epoch of the run", "below"),
    (
        "epochs: 2",
        "epochs: 2\nsave_every: 10",
        "C102",
        3,
        13,
        "`500 steps` or `10 minutes` or `1 epoch`, not `10`",
        "How often",
    ),
    ("epochs: 2", "epochs: 2\nsave_every: often", "C102", 3, 13, "`500 steps` or `10 minutes`", "How often"),
    ("epochs: 2", "epochs: 2\naccumulate: 0", "C102", 3, 13, "at least 1", "Batches of a step"),
    ("epochs: 2", "epochs: 2\nema: 1", "C102", 3, 6, "below 1", "running mean"),
    (
        "epochs: 2",
        "epochs: 2\nrecompute: [vison]",
        "C421",
        3,
        13,
        "no module `vison`",
        "did you mean `vision`",
    ),
    ("epochs: 2", "epochs: 2\nrecompute: vision", "C102", 3, 12, "a list, not text", "Modules"),
    ("epochs: 2", "epochs: 2\nschedule: {shape: cosin}", "C102", 3, 19, "one of", "did you mean `cosine`"),
    ("epochs: 2", "epochs: 2\nschedule: {warmup: 3}", "C101", 3, 12, "no key `warmup`", "warmup_steps"),
    ("epochs: 2", "epochs: 2\nschedule: {start: 0.01}", "C422", 3, 19, "begins at 0.01, above", "not above"),
    ("epochs: 2", "epochs: 2\nschedule: {end: 1}", "C422", 3, 17, "falls to 1, above", "not above"),
    (
        "epochs: 2",
        "epochs: 2\nwarmup: 0.1\nschedule: {warmup_steps: 3}",
        "C422",
        4,
        26,
        "both say",
        "leave one",
    ),
    (
        "epochs: 2",
        "epochs: 2\noptimizer: {betas: [0.9]}",
        "C102",
        3,
        20,
        "must have at least 2 entries, not 1",
        "How long",
    ),
    ("epochs: 2", "epochs: 2\noptimizer: {betas: [0.9, 1]}", "C102", 3, 20, "below 1", "How long"),
    (
        "epochs: 2",
        "epochs: 2\noptimizer: {groups: [{weights: []}]}",
        "C102",
        3,
        32,
        "at least 1 entry, not 0",
        "Names of weights",
    ),
    (
        "epochs: 2",
        "epochs: 2\noptimizer: {groups: [{freeze: true}]}",
        "C102",
        3,
        22,
        "needs the key `weights`",
        "",
    ),
    (
        "epochs: 2",
        "epochs: 2\nvalidation: {every: 5 minutes}",
        "C102",
        3,
        21,
        "`500 steps` or `1 epoch`",
        "How",
    ),
    (
        "epochs: 2",
        "epochs: 2\nvalidation: {best: image-qa.acc}",
        "C423",
        3,
        20,
        "no score",
        "image-qa.accuracy",
    ),
    ("epochs: 2", "epochs: 2\nvalidation: {best: loss}", "C423", 3, 20, "no score", "TASK.SCORE"),
    ("epochs: 2", "epochs: ~", "C102", 2, 9, "a whole number, not nothing", "Passes"),
    ("learning_rate: 1e-3", "learning_rate: -1", "C102", 3, 16, "above 0, not -1", "Highest"),
    ("learning_rate: 1e-3", "learning_rate: .inf", "C102", 3, 16, "finite number", "Highest"),
    ("learning_rate: 1e-3", "learning_rate: .nan", "C102", 3, 16, "finite number", "Highest"),
    ("learning_rate: 1e-3", 'learning_rate: "1e-3"', "C102", 3, 16, "a number, not text", "without quotes"),
    ("learning_rate: 1e-3", "learning-rate: 1e-3", "C101", 3, 1, "no key", "`learning_rate`"),
    ("learning_rate: 1e-3", "lr: 1e-3", "C101", 3, 1, "no key `lr`", "did you mean `learning_rate`"),
    ("learning_rate: 1e-3", "learning_rate: !!python/name:os.system 1", "C004", 3, 16, "tag", "remove"),
    ("    batch: 4\n", "", "C102", 5, 3, "task `image-qa` needs the key `batch`", "Samples"),
    ("batch: 4", "batch: 0", "C102", 10, 12, "at least 1", "Samples"),
    ("batch: 4", "batsh: 4", "C101", 10, 5, "no key `batsh`", "did you mean `batch`"),
    ("batch: 4", "batch: 4\n    start: 1.0", "C102", 11, 12, "below 1", "Part of"),
    ("metrics: {accuracy: quickstart.exact_match}", "metrics: [a]", "C102", 13, 14, "a map", "instead of"),
    ("metrics: {accuracy: quickstart.exact_match}", "metrics: {a: 1}", "C102", 13, 18, "text", "quotes"),
    ("with: {pictures: 10}", "with: {picture: 10}", "C101", 7, 12, "no option `picture`", "`pictures`"),
    ("with: {pictures: 10}", "with: {pictures: ten}", "C206", 7, 22, "refuses its config", "per split"),
    ("easy-vqa.questions", "easy-vqa.question", "C403", 6, 14, "there is no dataset", "easy-vqa.questions"),
    ("quickstart.exact_match", "exact", "C403", 13, 25, "there is no metric", "quickstart.exact_match"),
    ("quickstart.exact_match", "demo.top_class", "C405", 13, 25, "takes scores, and", "quickstart.exact"),
    ("  image-qa:", "  image-q:", "C402", 5, 3, "no task `image-q`", "did you mean `image-qa`"),
    ("output: answer", "output: anwser", "C404", 11, 13, "no output `anwser`", "did you mean `answer`"),
    ("{target: answer}", "{targt: answer}", "C404", 8, 14, "no input `targt`", "did you mean `target`"),
    ("by: image", "by: picture", "C404", 9, 17, "no input `picture`", "its inputs: image"),
    ("counts: counts", "counts: image", "C404", 9, 32, "are both `image`", "`counts` the one"),
    ("group: {by: image, counts: counts}", "group: image", "C102", 9, 12, "a map, not text", ""),
    (
        "document: quickstart",
        "document: quickstrt",
        "C401",
        1,
        11,
        "no document",
        "did you mean `quickstart`",
    ),
    ("document: quickstart", "document: 3", "C102", 1, 11, "text, not", "quotes"),
    ("tasks:\n", "tasks:\n  - x\n", "C002", 6, 3, "not YAML", "one block"),
]


@pytest.mark.parametrize(
    ("right", "wrong", "code", "line", "column", "said", "cure"), CASES, ids=[f"{c[1]!r}" for c in CASES]
)
def test_a_fault_is_one_problem_at_its_place_with_a_cure(
    tmp_path: Path,
    registry: Registry,
    right: str,
    wrong: str,
    code: str,
    line: int,
    column: int,
    said: str,
    cure: str,
) -> None:
    assert right in GOOD
    (found,) = problems(tmp_path, GOOD.replace(right, wrong), registry)
    assert (found.code, found.place.line, found.place.column) == (code, line, column), found
    assert said in found.message
    assert cure in " ".join(found.helps)
    assert Path(found.place.file) == tmp_path / "recipe.yaml"


def test_keys_that_are_indented_too_little_are_one_problem(tmp_path: Path, registry: Registry) -> None:
    head, _, body = GOOD.partition("  image-qa:\n")
    (found,) = problems(tmp_path, f"{head}  image-qa:\n{body.replace('    ', '  ')}", registry)
    assert (found.code, found.place.line) == ("C102", 5)
    assert "indent its content" in found.helps[0]


def test_a_document_in_the_place_of_a_recipe_is_one_problem(tmp_path: Path, registry: Registry) -> None:
    (found,) = problems(tmp_path, "composer: 1\nname: x\nmodules: {}\ntasks: {}\n", registry)
    assert "this file is a document" in found.message


def test_all_faults_come_at_once_and_in_the_order_of_the_file(tmp_path: Path, registry: Registry) -> None:
    text = GOOD.replace("epochs: 2\n", "").replace("1e-3", "fast").replace("batch: 4", "batch: none")
    text = text.replace("questions", "question").replace("output: answer", "output: reply")
    found = problems(tmp_path, text, registry)
    assert [(p.code, p.place.line) for p in found] == [
        ("C102", 1),
        ("C102", 2),
        ("C403", 5),
        ("C102", 9),
        ("C404", 10),
    ]


def test_every_missing_key_is_named(tmp_path: Path, registry: Registry) -> None:
    found = problems(tmp_path, "warmup: 0.1\ntasks:\n  image-qa: {}\n", registry)
    missing = ["epochs", "learning_rate", "batch", "dataset"]
    assert [p.message.split("`")[-2] for p in found] == missing


def test_a_recipe_without_tasks_says_so_once(tmp_path: Path, registry: Registry) -> None:
    for tasks in ("tasks: {}\n", "tasks:\n", ""):
        (found,) = problems(tmp_path, f"epochs: 1\nlearning_rate: 0.1\n{tasks}", registry)
        assert found.code == "C102"
        assert found.helps


def test_a_recipe_beside_its_document_is_held_against_it(tmp_path: Path, registry: Registry) -> None:
    import composer_graphs

    shipped = Path(composer_graphs.__file__).parent / "quickstart.yaml"
    (tmp_path / "training").mkdir()
    (tmp_path / "mine.yaml").write_text(f"composer: 1\nname: mine\nextends: {shipped}\n")
    path = tmp_path / "training" / "mine.yaml"
    path.write_text(GOOD.replace("document: quickstart\n", "").replace("output: answer", "output: reply"))
    (found,) = check_recipe(path, registry=registry).problems
    assert found.code == "C404"


def test_without_a_document_names_are_held_against_the_plugins(tmp_path: Path, registry: Registry) -> None:
    text = GOOD.replace("document: quickstart\n", "").replace("output: answer", "output: reply")
    assert problems(tmp_path, text, registry) == []
    (found,) = problems(tmp_path, text.replace("exact_match", "exactmatch"), registry)
    assert found.code == "C403"


def test_a_document_with_errors_is_one_problem_of_the_recipe(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "broken.yaml").write_text("composer: 1\ntasks: 3\n")
    (found,) = problems(tmp_path, GOOD.replace("document: quickstart", "document: broken.yaml"), registry)
    assert (found.code, found.place.line) == ("C401", 1)
    assert "1 error" in found.message


def test_files_that_hold_no_recipe_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(DocumentError, match="cannot be read as a recipe"):
            read_recipe(path)
    for text in ("", "- a\n", "just text\n"):
        with pytest.raises(DocumentError, match="recipe"):
            read_recipe(written(tmp_path, text))
    (tmp_path / "binary.yaml").write_bytes(bytes(range(128, 256)))
    with pytest.raises(DocumentError, match="cannot be read as a recipe"):
        read_recipe(tmp_path / "binary.yaml")


def test_a_recipe_is_told_from_a_document(tmp_path: Path) -> None:
    assert looks_like_recipe(written(tmp_path, GOOD))
    assert looks_like_recipe(written(tmp_path, "learning_rate: x\n"))
    for text in ("composer: 1\nepochs: 3\n", "modules: {}\ntasks: {}\n", "tasks: {}\n", "a: ["):
        assert not looks_like_recipe(written(tmp_path, text))
