"""The published code's side: makes its model and trains it, a step for each line that is read.

Runs by itself, with a checkout of the published repository and its packages on the path, and imports none of ours.
Arguments: a folder to write `weights.pth` to and to read `batch.safetensors` from, and the model's sizes as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from safetensors.torch import load_file


def main() -> None:
    folder, sizes = Path(sys.argv[1]), json.loads(sys.argv[2])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = published_model(folder, sizes)
    torch.save({"model": model.state_dict()}, folder / "weights.pth")
    print(json.dumps({"parameters": sum(p.numel() for p in model.parameters())}), flush=True)
    step = None
    for _ in sys.stdin:
        step = step or training_step(model, folder)  # the batch is there by now
        begin = time.process_time()
        loss = step()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(
            json.dumps({"loss": loss, "seconds": time.process_time() - begin, "peak_bytes": peak}), flush=True
        )


def published_model(folder: Path, sizes: dict[str, Any]) -> Any:
    """The model with weights that it draws itself: the checkpoints that it would begin with are left out."""
    from models import clip_video, model_videoqa_mplug, modeling_mplug2  # type: ignore[import-not-found]

    class Visual(torch.nn.Module):
        def __init__(self, config: Any, frames: int) -> None:
            super().__init__()
            vision = sizes["vision"]
            self.visual = clip_video.VideoFormer(**vision, T=frames, config=config)

    def drawn(cls: Any, name: str, config: Any = None, **options: Any) -> Any:
        return cls(config=config, **options)

    for each in (modeling_mplug2.BertModel, modeling_mplug2.BertLMHeadModel, modeling_mplug2.FusionModel):
        each.from_pretrained = classmethod(drawn)
    model_videoqa_mplug.initialize_clip_video = lambda config, **given: (
        Visual(config, given["T"]),
        None,
    )
    model_videoqa_mplug.TextGenerator = lambda *_: None
    (folder / "bert.json").write_text(json.dumps(sizes["bert"]))
    config = {
        "bert_config": str(folder / "bert.json"),
        "model_num_frames": sizes["frames"],
        "vision_width": sizes["vision"]["width"],
        "use_checkpoint": False,
        "distill": False,
        "text_encoder": "",
        "text_decoder": "",
    }
    return model_videoqa_mplug.MPLUG2(SimpleNamespace(pad_token_id=0), config).train()


def training_step(model: Any, folder: Path) -> Any:
    """Forward, backward and AdamW, as its training script does them."""
    batch = load_file(folder / "batch.safetensors")
    texts = {
        name: SimpleNamespace(
            input_ids=batch[f"{name}.ids"].long(), attention_mask=batch[f"{name}.mask"].long()
        )
        for name in ("question", "reference")
    }
    used = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(used, lr=1e-5, betas=(0.9, 0.999), weight_decay=0.0)
    weights = torch.ones(1)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = model(batch["video"], texts["question"], texts["reference"], k=[1], weights=weights).sum()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


if __name__ == "__main__":
    main()
