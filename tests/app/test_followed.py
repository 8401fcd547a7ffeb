"""Files that change while they are in use."""

import logging
import os
from pathlib import Path

import pytest

from app.followed import Followed


class Reader:
    """Keeps what it read last; refuses the word `broken`."""

    def __init__(self, path: Path) -> None:
        self.path, self.text = path, ""

    def read(self) -> None:
        text = self.path.read_text()
        if text == "broken":
            raise ValueError("it is broken")
        self.text = text


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    (tmp_path / "file").write_text("first")
    return Reader(tmp_path / "file")


def test_a_changed_file_is_read_again(reader: Reader) -> None:
    followed = Followed("file", [reader.path], reader.read)
    reader.path.write_text("second one")
    followed.look()
    assert reader.text == "second one"


def test_a_file_that_was_replaced_by_another_of_the_same_size_and_time_is_read_again(reader: Reader) -> None:
    followed, stamp = Followed("file", [reader.path], reader.read), reader.path.stat()
    other = reader.path.with_name("other")
    other.write_text("FIRST")
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other.replace(reader.path)
    followed.look()
    assert reader.text == "FIRST"


def test_a_broken_or_missing_file_leaves_what_was_read_and_says_so_once(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    followed = Followed("file", [reader.path], reader.read)
    reader.path.write_text("broken")
    for _ in range(3):
        followed.look()
    assert (reader.text, followed.trouble) == ("first", f"{reader.path}: it is broken")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    reader.path.unlink()
    followed.look()
    assert reader.text == "first"
    assert "No such file" in (followed.trouble or "")
    reader.path.write_text("third")
    followed.look()
    assert (reader.text, followed.trouble) == ("third", None)


def test_a_file_that_is_broken_from_the_beginning_is_refused(reader: Reader) -> None:
    reader.path.write_text("broken")
    with pytest.raises(ValueError, match="it is broken"):
        Followed("file", [reader.path], reader.read)
