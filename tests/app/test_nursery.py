"""Workers are forked from one process that has imported what they need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, sys
from app.nursery import CONTEXT, open_nursery

def say(pipe):
    import torch  # is there already: nothing is imported, and no device was touched before the fork
    pipe.send((IMPORTED, torch.cuda.is_initialized(), os.getppid()))

def count_threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))

IMPORTED = "torch" in sys.modules
if __name__ == "__main__":
    open_nursery()
    for _ in range(2):
        ours, theirs = CONTEXT.Pipe()
        CONTEXT.Process(target=say, args=(theirs,), daemon=True).start()
        imported, is_initialised, nursery = ours.recv()
        assert imported and not is_initialised
        assert nursery != os.getpid() and count_threads(nursery) == 1, count_threads(nursery)
    assert "torch" not in sys.modules
"""


@pytest.mark.slow  # imports torch and timm anew
def test_a_forked_worker_has_torch_at_once_and_the_nursery_one_thread(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    subprocess.run([sys.executable, program], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=100)
