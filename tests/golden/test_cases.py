"""Every recorded case of a published system, run as its users run it: `composer compare CASE`."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.compare import compare_case, load_case

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "golden"
CASES = sorted(path for path in HERE.glob("*/*.yaml") if "\ndata:" in path.read_text(encoding="utf-8"))


def data_of(case: Path) -> Path:
    """The data beside the case, or the folder of recordings next to the checkout."""
    own = case.parent / load_case(case).data
    return own if own.is_dir() else SHARED / case.parent.name / load_case(case).data


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_model_agrees_with_the_recording(case):
    data = data_of(case)
    if not data.is_dir():
        pytest.skip(f"the recording {case.stem} is not in this checkout")
    comparison = compare_case(case, data)
    assert comparison.ok, f"\n{comparison}"
    assert sum(row.verdict == "ok" for row in comparison.rows) >= 2


def test_a_wrong_weight_is_found_and_its_node_is_named(tmp_path):
    """The comparison itself can fail: one changed tensor of the fusion shows there, and not before."""
    from safetensors.torch import load_file, save_file

    case = HERE / "mplug2" / "videoqa.yaml"
    source = data_of(case)
    for name in ("config.json", "inputs.safetensors", "outputs.safetensors", "vocab.txt"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    weights = load_file(source / "weights.safetensors")
    key = next(k for k in weights if "fusion_encoder" in k and "layer.2.output.dense.weight" in k)
    weights[key] = weights[key].flip(0)
    save_file(weights, tmp_path / "weights.safetensors")
    comparison = compare_case(case, tmp_path)
    assert not comparison.ok
    assert comparison.first["beam"] == "memory/fused"
    assert "MISS" in str(comparison)


def test_a_recording_of_hypotheses_of_another_form_and_one_that_is_cut_are_no_agreement(tmp_path):
    from safetensors.torch import load_file, save_file

    from composer.problems import InputError

    case = HERE / "mplug2" / "videocaption.yaml"
    source = data_of(case)
    for path in source.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    outputs = load_file(source / "outputs.safetensors")
    ids = outputs["gen.beam.ids"]
    save_file({**outputs, "gen.beam.ids": ids[..., :3].clone()}, tmp_path / "outputs.safetensors")
    comparison = compare_case(case, tmp_path)
    assert [row.recorded for row in comparison.rows if not row.ok] == ["gen.beam.ids"]
    assert "12 of 13 tensors agree, 1 not recorded: MISS" in str(comparison)
    for shape in (ids[0], ids[:1]):
        save_file({**outputs, "gen.beam.ids": shape.clone()}, tmp_path / "outputs.safetensors")
        with pytest.raises(InputError, match=r"hypotheses.ids is recorded as .* of 2 samples"):
            compare_case(case, tmp_path)


def test_steps_of_training_can_differ_and_a_file_that_is_no_trace_is_one_sentence(tmp_path):
    import json

    from composer.problems import InputError

    case = HERE / "mplug2" / "videocaption.yaml"
    source = data_of(case)
    for path in source.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    trace = json.loads((tmp_path / "train_trace.json").read_text())
    trace["groups"][0]["lr"] *= 2
    (tmp_path / "train_trace.json").write_text(json.dumps(trace))
    comparison = compare_case(case, tmp_path)
    assert [row.port for row in comparison.rows if not row.ok] == ["steps.losses", "steps.gradients"]
    trace["groups"] = trace["groups"][1:]
    (tmp_path / "train_trace.json").write_text(json.dumps(trace))
    with pytest.raises(InputError, match=r"no group of train_trace\.json names"):
        compare_case(case, tmp_path)
    (tmp_path / "train_trace.json").write_text("{}")
    with pytest.raises(InputError, match="is not a record of training"):
        compare_case(case, tmp_path)
    (tmp_path / "train_trace.json").unlink()
    assert compare_case(case, tmp_path).ok


def test_a_value_that_is_given_has_to_be_a_port_and_recorded(tmp_path):
    from composer.problems import InputError

    case = HERE / "mplug2" / "mplug1_retrieval.yaml"
    text = case.read_text(encoding="utf-8").replace(
        "retrieval-parts.yaml", str(case.with_name("retrieval-parts.yaml"))
    )
    for old, new, says in (
        ("other_texts.rows: neg_text", "other_texts.row: neg_text", "`other_texts.row` is not a port"),
        ("other_texts.rows: neg_text", "other_texts.rows: neg", "nothing is recorded as `neg`"),
        ("pair.next: after.queue_ptr", "pair.nxt: after.queue_ptr", "there is no tensor `pair.nxt`"),
    ):
        (tmp_path / "case.yaml").write_text(text.replace(old, new))
        with pytest.raises(InputError, match=says):
            compare_case(tmp_path / "case.yaml", data_of(case))


def test_rates_of_a_schedule_can_differ_and_a_faulty_recording_is_one_sentence(tmp_path):
    import json

    from composer.problems import InputError

    case = HERE / "mplug2" / "schedules.yaml"
    config = json.loads((data_of(case) / "config.json").read_text())
    place = config["schedule"]["caption_script_step_size_5"]
    place[5][1] *= 1.01

    def compared():
        (tmp_path / "config.json").write_text(json.dumps(config))
        return compare_case(case, tmp_path)

    assert [(row.run, row.port) for row in compared().rows if not row.ok] == [
        ("captioning", "rates to 2e-06")
    ]
    del place[30:]
    with pytest.raises(
        InputError, match="schedule captioning: 3 epochs of 12 batches with 2 rates are wanted"
    ):
        compared()
    config["schedule"]["lr"] = "high"
    with pytest.raises(InputError, match="`peaks` is one or a list"):
        compared()
    del config["schedule"]["min_lr"]
    with pytest.raises(InputError, match=r"config.json has no `schedule.min_lr` \(for end of schedule"):
        compared()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("data: aux\n", "it compares nothing"),
        ("data: aux\nruns: {a: {task: t, feeds: {}}}\n", "need `document`"),
    ],
)
def test_a_case_says_what_it_compares(tmp_path, text, says):
    from composer.problems import InputError

    (tmp_path / "case.yaml").write_text(text)
    with pytest.raises(InputError, match=says):
        load_case(tmp_path / "case.yaml")
