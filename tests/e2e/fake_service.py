"""`python tests/e2e/fake_service.py`: the whole service of INSPECT_*, but for a detector that needs no torch."""

from app.cli import read_settings, start
from tests.app.fake_detector import load_fake

if __name__ == "__main__":
    start(read_settings(), load_fake)
