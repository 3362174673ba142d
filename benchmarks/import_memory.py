"""Converting a checkpoint of base size: peak memory of `composer import`, by hand. It needs 5 GB of disk in --folder.

python benchmarks/import_memory.py --folder /tmp/made
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

LISTED = Path(__file__).parents[1] / "tests" / "golden" / "mplug2" / "state_dict_layout.json"
NAME = "base_videoqa"
IMPORT = """
import resource, sys
from pathlib import Path
from composer.cli import main
code = main(sys.argv[2:])
Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
sys.exit(code)
"""


def write_checkpoint(path: Path) -> int:
    """Random tensors under the exact published keys; the bytes of the largest one."""
    import torch

    tensors = {}
    for key, shape, layers in json.loads(LISTED.read_text(encoding="utf-8"))[NAME]:
        for number in [None] if layers is None else range(layers[0], layers[1] + 1):
            name = key if number is None else key.format(number)
            tensors[name] = torch.randn(shape) if "position_ids" not in key else torch.zeros(shape).long()
    words = "text_decoder.bert.embeddings.word_embeddings.weight"
    tensors["text_decoder.cls.predictions.decoder.weight"] = tensors[words]
    torch.save({"model": tensors}, path)
    return max(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="only write the checkpoint")
    args = parser.parse_args()
    folder: Path = args.folder
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "made", ignore_errors=True)
    if args.write:
        print(write_checkpoint(folder / "base.pth"))
        return
    # In a process of its own: what a process held when it began another counts as held by that one, too.
    writing = [sys.executable, __file__, "--folder", str(folder), "--write"]
    largest = int(subprocess.run(writing, check=True, capture_output=True, text=True).stdout)
    command = [
        sys.executable,
        "-c",
        IMPORT,
        str(folder / "peak.txt"),
        "import",
        str(folder / "base.pth"),
        "--layout",
        "mplug2",
    ]
    command += ["--document", "mplug2-base", "--out", str(folder / "made")]
    subprocess.run(command, check=True)
    peak = int((folder / "peak.txt").read_text())
    allowed = largest + 2 * 1024**3
    print(
        f"peak {peak / 1e9:.2f} GB, allowed {allowed / 1e9:.2f} GB: {'ok' if peak <= allowed else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
