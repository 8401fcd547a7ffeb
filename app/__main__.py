"""`python -m app`: the commands of app/cli.py; what workers need is imported beside what the service needs."""

import sys

from app.nursery import open_nursery

if __name__ == "__main__":
    if not sys.argv[1:]:  # the service itself, and none of the commands
        open_nursery()
    from app.cli import cli  # after the nursery, which has begun to import torch in its own process

    cli()
