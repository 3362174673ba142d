"""Models of timm as modules: the numbers of timm called by hand, what its checkpoints fill, what is said of names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from composer_timm import asking, facts
from composer_timm.backbone import build_backbone
from composer_timm.configs import BackboneConfig
from PIL import Image
from safetensors.torch import save_file

import composer
from composer.graph import check
from composer.language import Source

timm = pytest.importorskip("timm")

DOCUMENT = """\
composer: 1
modules:
  backbone:
    uses: timm.backbone
    with: {model: MODEL, features: FEATURES OPTIONS}
    weights: weights.safetensors
tasks:
  see:
    inputs:
      photo: {modality: image, for: backbone}
    nodes:
      seen: {call: backbone, inputs: photo}
    outputs:
OUTPUTS
"""


def written(
    folder: Path, model: str, features: str, *ports: str, options: str = "", weights: Any = None
) -> Path:
    path = folder / "document.yaml"
    outputs = "\n".join(f"      {port}: seen.{port}" for port in ports)
    text = DOCUMENT.replace("MODEL", model).replace("FEATURES", features).replace("OUTPUTS", outputs)
    path.write_text(text.replace(" OPTIONS", options and f", {options}"))
    if weights is not None:
        save_file({key: value.contiguous() for key, value in weights.items()}, folder / "weights.safetensors")
    return path


def prepared(model: Any, picture: np.ndarray) -> torch.Tensor:
    """The picture as timm itself would prepare it."""
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    return transform(Image.fromarray(picture))[None]


def by_hand(model: Any, features: str, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        found = model.forward_features(pixels)
        if features == "tokens":
            return {"states": found if found.dim() == 3 else found.flatten(2).transpose(1, 2)}
        if features == "pooled":
            return {"embedding": model.forward_head(found, pre_logits=True)}
        if features == "scores":
            return {"scores": model(pixels)}
        maps = model.forward_intermediates(pixels, intermediates_only=True)
        return {f"level{number}": each for number, each in enumerate(maps, 1)}


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "test_convnext2"])
@pytest.mark.parametrize("features", ["tokens", "pooled", "scores", "pyramid"])
def test_a_picture_gives_what_timm_gives(name: str, features: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = timm.create_model(name, pretrained=False).eval()
    picture = np.random.default_rng(4).integers(0, 255, (190, 260, 3), dtype=np.uint8)
    expected = by_hand(model, features, prepared(model, picture))
    path = written(tmp_path, name, features, *expected, weights=model.state_dict())
    answer = composer.load(path).run("see", photo=picture)
    for port, value in expected.items():
        given = answer[port] if features != "tokens" else getattr(answer[port], "values", answer[port])
        assert torch.allclose(torch.as_tensor(given), value, atol=1e-5)


def test_a_classifier_that_is_not_built_is_left_out_by_a_rule_with_a_name(tmp_path: Path) -> None:
    model = timm.create_model("test_vit", pretrained=False)
    path = written(tmp_path, "test_vit", "pooled", "embedding", weights=model.state_dict())
    loading = composer.load(path).loading
    assert loading is not None
    (source,) = loading.sources
    assert dict(source.ignored) == dict.fromkeys(
        ["head.weight", "head.bias"], "the classifier, which the module was built without"
    )
    assert source.layout == "timm"


def test_a_larger_picture_resamples_the_positions_as_timm_does(tmp_path: Path) -> None:
    torch.manual_seed(5)
    small = timm.create_model("test_vit", pretrained=False, num_classes=0)
    torch.nn.init.normal_(small.pos_embed)
    path = written(
        tmp_path, "test_vit", "pooled", "embedding", options="image_size: 192", weights=small.state_dict()
    )
    large = timm.create_model("test_vit", pretrained=False, num_classes=0, img_size=192).eval()
    resampled = timm.layers.resample_abs_pos_embed(small.pos_embed.data, (12, 12), num_prefix_tokens=1)
    large.load_state_dict({**small.state_dict(), "pos_embed": resampled})
    picture = np.random.default_rng(6).integers(0, 255, (192, 192, 3), dtype=np.uint8)
    answer = composer.load(path).run("see", photo=picture)["embedding"]
    mean, std = (
        torch.tensor(timm.data.IMAGENET_INCEPTION_MEAN),
        torch.tensor(timm.data.IMAGENET_INCEPTION_STD),
    )
    facts_ = BackboneConfig(model="test_vit").facts
    mean, std = torch.tensor(facts_.mean), torch.tensor(facts_.std)
    share = facts_.crop
    from composer_vision.resizing import resized_square

    seen = torch.from_numpy(resized_square(picture, 192, facts_.interpolation, share).copy())
    pixels = ((seen / 255 - mean) / std).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        assert torch.allclose(torch.as_tensor(answer), large(pixels), atol=1e-4)


def problems(text: str) -> list[str]:
    report = check(Source("document.yaml", text))
    return [f"{problem.code} {problem.message}" for problem in report.problems]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("model: resnt18", "has no model `resnt18`; did you mean `resnet18`?"),
        ("model: resnet18.nobody", "has no weights `nobody` of `resnet18`; it has: "),
        ("model: 'hf-hub:owner/name'", "is fetched from elsewhere, and nothing is known of it before"),
        ("model: test_vit, features: pyramid, levels: [90]", "test_vit has levels from 0 to "),
        ("model: coat_tiny, features: tokens", "coat_tiny gives no tokens: features can be "),
    ],
)
def test_a_name_that_timm_does_not_have_is_one_sentence(options: str, expected: str) -> None:
    text = f"composer: 1\nmodules: {{backbone: {{uses: timm.backbone, with: {{{options}}}}}}}\n"
    (found,) = [each for each in problems(text) if each.startswith("C206")]
    assert expected in found


def test_all_that_a_model_does_not_give_is_told_at_once() -> None:
    options = "model: coat_tiny, features: tokens, levels: [90, 91]"
    text = f"composer: 1\nmodules: {{backbone: {{uses: timm.backbone, with: {{{options}}}}}}}\n"
    found = [each for each in problems(text) if each.startswith("C206")]
    assert len(found) == 3
    for said in ("gives no tokens", "not 90", "not 91"):
        assert any(said in each for each in found)


def test_a_size_for_which_nothing_is_written_down_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSER_CACHE", str(tmp_path))
    calls: list[tuple[str, dict[str, Any]]] = []

    def answered(name: str, options: dict[str, Any]) -> dict[str, Any]:
        calls.append((name, options))
        from composer_timm.probing import probe

        return probe(name, options)

    monkeypatch.setattr(asking, "_from_child", answered)
    for _ in range(2):
        facts.facts_of.cache_clear()
        found = facts.facts_of("test_resnet", 100)
        assert found.map is not None
        assert found.map[1:] == (4, 4)
    assert calls == [("test_resnet", {"image_size": 100})]


@pytest.mark.slow
def test_a_child_process_answers_for_the_installed_timm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSER_CACHE", str(tmp_path))
    facts.facts_of.cache_clear()
    assert facts.facts_of("test_resnet", 100).map == (96, 4, 4)
    facts.facts_of.cache_clear()
    with pytest.raises(composer.ComposerError, match=r"timm .* does not build nothing_like_it: "):
        asking.asked("nothing_like_it", {})


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "test_efficientnet", "test_byobnet"])
def test_the_table_says_what_timm_builds(name: str) -> None:
    from composer_timm.probing import probe

    if facts.installed_version() != facts.table_version():
        pytest.skip("another version of timm is installed than the table is of")
    found = facts.Facts.of(probe(name, {}))
    table = facts.facts_of(name)
    for field in ("size", "tokens", "prefix", "pooled", "map", "levels", "classes", "mean", "std", "crop"):
        assert getattr(found, field) == getattr(table, field)


def test_an_exported_model_does_not_resample_the_positions_of_its_own_size() -> None:
    """timm's own may be given pictures of any size, and then does so at every call."""
    module = build_backbone(BackboneConfig(model="test_vit"))
    exported = torch.export.export(module.eval(), (), {"pixels": torch.zeros(1, 3, 1, 160, 160)})
    assert not [node for node in exported.graph.nodes if "upsample" in str(node.target)]
