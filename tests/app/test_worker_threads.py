"""Two threads of a worker run torch: the one that loads has one CPU thread, the one that scores has them all."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from app.worker import Runner, load_detector
from model_store.registry import Registry
from tests.model_store.drafts import make_draft


def test_loading_takes_one_thread_and_leaves_scoring_its_own(tmp_path: Path) -> None:
    ref = Registry(tmp_path).publish(make_draft(), activate=True)
    scoring = torch.get_num_threads()

    def load() -> tuple[Runner, int]:
        return load_detector(ref.path, "cpu"), torch.get_num_threads()

    with ThreadPoolExecutor(1) as other:
        runner, loading = other.submit(load).result()
    side = 32
    runner([np.zeros((side, side, 3), np.uint8)])
    assert (loading, torch.get_num_threads()) == (1, scoring)
