"""`python tests/e2e/fake_service.py`: the whole service of INSPECT_*, but for a detector that needs no torch."""

from functools import partial

from app import __main__ as program
from app.main import create_app
from tests.app.fake_detector import load_fake

if __name__ == "__main__":
    program.main(partial(create_app, loader=load_fake))
