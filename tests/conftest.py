"""For every test, and for every process that it starts: one thread of torch each, and what takes long comes first.

The suite runs on as many processes as there are cores (`make test`), which take file after file, and folders whose
files share a service as one. Threads that wait for each other's cores cost more than they bring on pictures of 32
pixels; a long file that comes last is waited for alone.
"""

import os
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
LONG = ("training", "e2e", "console", "attacks", "model_store")
SHARING = ("tests/attacks/", "tests/console/")  # each a service for all of its files: two processes would start two


class Scheduling(LoadFileScheduling):
    """`--dist loadfile`, but for folders that share."""

    def _split_scope(self, nodeid: str) -> str:
        """The file, or the folder."""
        return next((folder for folder in SHARING if nodeid.startswith(folder)), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)  # of a plugin that may be switched off
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Ours where files are dealt out."""
    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Where somebody asks for everything, what needs a GPU is skipped with a reason."""
    if item.get_closest_marker("gpu") is not None:
        import torch  # noqa: PLC0415 -- most tests need none

        if not torch.cuda.is_available():
            pytest.skip("no GPU is here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders of long files first; each in its order."""
    items.sort(key=lambda item: item.path.relative_to(HERE).parts[0] not in LONG)
