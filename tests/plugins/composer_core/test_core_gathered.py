"""The queue of the contrastive loss in two processes (over gloo) is that of one with the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from composer_core.contrastive import build_contrastive
from composer_core.gathered import rows_of_all
from composer_core.objective_configs import ContrastiveConfig

PROCESS = """
import sys
from contextlib import nullcontext

import torch
from torch import distributed
from composer_core.contrastive import build_contrastive
from composer_core.objective_configs import ContrastiveConfig
from composer.plugin.standing_in import standing_in

distributed.init_process_group("gloo")
rank = distributed.get_rank()
torch.manual_seed(0)
loss = build_contrastive(ContrastiveConfig(queue=7, width=4)).train()
for step in range(4):
    batch = torch.load(f"{sys.argv[1]}/batch{step}.pt")
    own = slice(0, 2) if rank == 0 else slice(2, 5)  # two rows and three
    alone = len(batch["first"]) == 1
    own = slice(0, 1) if alone else own
    with standing_in() if alone and rank == 0 else nullcontext():
        loss(first=batch["first"][own], second=batch["second"][own], groups=batch["groups"][own])
torch.save(dict(loss.named_buffers()), f"{sys.argv[1]}/queue{rank}.pt")
distributed.destroy_process_group()
"""


def test_one_process_has_its_own_rows() -> None:
    rows = torch.randn(3, 2)
    assert rows_of_all(rows) is rows


@pytest.mark.slow
def test_the_queues_of_two_processes_hold_the_whole_batch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = build_contrastive(ContrastiveConfig(queue=7, width=4)).train()
    generator = torch.Generator().manual_seed(1)
    for step in range(4):
        count = 1 if step == 3 else 5  # of the last one, a process has none
        batch = {name: torch.randn(count, 4, generator=generator) for name in ("first", "second")}
        batch["groups"] = torch.arange(count) + 10 * step
        torch.save(batch, tmp_path / f"batch{step}.pt")
        whole(**batch)
    (tmp_path / "process.py").write_text(PROCESS)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(tmp_path / "process.py"), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for rank in (0, 1):
        found = torch.load(tmp_path / f"queue{rank}.pt")
        for name, buffer in whole.named_buffers():
            torch.testing.assert_close(found[name], buffer, rtol=0, atol=1e-6)
