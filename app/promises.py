"""Pictures that were answered 202 and have no verdict yet, on disk: a promise outlives the process that gave it.

In: a submission, before its 202 leaves. Out: those of a life before that were not kept. Refuses: a disk that takes no
promise (`LedgerUnavailable`), for nothing is acknowledged that is not stored.
A file is one line of JSON, then the picture as it came. It is as large as what admission lets in, at most.
"""

import json
import logging
import math
import time
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from app.folder import Folder, is_unfinished
from app.ledger.errors import LedgerUnavailable
from app.submission import Submission

log = logging.getLogger(__name__)
HEAD = TypeAdapter(Submission)
DUE = "due_at"  # seconds since 1970: the clock of `due` begins anew with the machine


class Promises:
    """What was promised. Calls wait for the disk."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def make(self, submission: Submission) -> None:
        """Durable when this returns."""
        head = HEAD.dump_python(submission, mode="json", exclude={"data", "due"})
        head[DUE] = None if submission.due == math.inf else time.time() + submission.due - time.monotonic()
        try:
            self._folder.write(_name(submission.id), json.dumps(head).encode() + b"\n" + submission.data)
        except OSError as error:
            raise LedgerUnavailable(f"the promise of a verdict cannot be stored: {error.strerror}") from error

    def forget(self, submission: Submission) -> None:
        """It has its verdict; where the disk does not let go of it, the next start finds that it has."""
        try:
            self._folder.remove(_name(submission.id))
        except OSError as error:
            log.warning("the promise of verdict %s cannot be removed: %s", submission.id, error.strerror)

    def outstanding(self) -> list[Submission]:
        """Those that are not kept, the oldest first."""
        entries = sorted(self._folder.entries())
        for entry in entries:
            if is_unfinished(entry.name):  # a crash came before it was durable, so nobody was answered
                self._folder.remove(entry.name)
        found = (self._read(entry.name) for entry in entries if not is_unfinished(entry.name))
        return [submission for submission in found if submission is not None]

    def _read(self, name: str) -> Submission | None:
        try:
            line, _, data = self._folder.read(name).partition(b"\n")
            head = json.loads(line)
            due_at = head.pop(DUE)
            due = math.inf if due_at is None else time.monotonic() + due_at - time.time()
            return replace(HEAD.validate_python(head), data=data, due=due)
        except (OSError, ValueError, KeyError, ValidationError) as error:
            log.error("a promised inspection cannot be read (%s): %s", name, type(error).__name__)
            return None


def _name(verdict_id: str) -> str:
    return f"{verdict_id[:2]}/{verdict_id}"
