"""The key file: what is made, what is read, what is refused, and that no text repeats a secret."""

import hmac
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.keys import BadKeyFile, Keyring, add_key, hash_key, read_keys
from app.rates import Rate

WRITTEN = "inspect_do-not-repeat-me"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def keyring(file: Path) -> Keyring:
    made = Keyring(file)
    made.read()
    return made


def test_a_key_that_was_made_is_found_again_and_stands_nowhere_in_the_file(file: Path) -> None:
    made = add_key(file, "camera-1", ["inspect", "read"], "20/second")
    assert made.removeprefix("inspect_") not in file.read_text()
    found = keyring(file).find(made)
    assert found is not None
    assert (found.name, found.scopes, found.rate) == ("camera-1", ("inspect", "read"), Rate(20, 1.0))
    assert file.stat().st_mode & 0o077 == 0


def test_keys_are_appended_and_comments_stay(file: Path) -> None:
    file.write_text("# keys of hall 3\n")
    made = [add_key(file, name, ["read"]) for name in ("a", "b")]
    assert file.read_text().startswith("# keys of hall 3\n")
    assert len(set(made)) == 2
    assert [key.name for key in read_keys(file)] == ["a", "b"]


def test_another_key_is_nobody_s_and_so_is_a_hash(file: Path) -> None:
    made = add_key(file, "a", ["read"])
    ring = keyring(file)
    for given in ("", made[:-1], made + "x", made.upper(), hash_key(made), "é" * 30, "\x00"):
        assert ring.find(given) is None


def test_every_entry_is_compared_in_constant_time_whoever_asks(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [add_key(file, name, ["read"]) for name in ("a", "b", "c")]
    ring, compared = keyring(file), 0
    real = hmac.compare_digest

    def count(left: str, right: str) -> bool:
        nonlocal compared
        compared += 1
        return real(left, right)

    monkeypatch.setattr("app.keys.hmac.compare_digest", count)
    for given in (made[0], made[2], "nobody's"):
        compared = 0
        ring.find(given)
        assert compared == 3


def test_admin_stands_for_every_scope_and_others_for_themselves(file: Path) -> None:
    add_key(file, "root", ["admin"])
    add_key(file, "camera", ["inspect"])
    root, camera = read_keys(file)
    assert all(root.may(scope) for scope in ("inspect", "read", "operate", "admin"))
    assert [camera.may(scope) for scope in ("inspect", "read", "operate", "admin")] == [True, False, False, False]


def test_a_key_is_good_until_it_expires(file: Path) -> None:
    end = datetime(2027, 1, 1, tzinfo=UTC)
    add_key(file, "a", ["read"], expires=end)
    (key,) = read_keys(file)
    assert not key.is_expired(end - timedelta(seconds=1))
    assert key.is_expired(end)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f'[[keys]]\nname = "a"\nkey = "{WRITTEN}"\nscopes = ["read"]', "keys.0.key: Extra inputs"),
        (f'[[keys]]\nname = "a"\nsha256 = "{WRITTEN}"\nscopes = ["read"]', "keys.0.sha256: String should match"),
        (f"[[keys]]\nsha256 = {WRITTEN}", "line 2"),
        (f'[[keys]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = ["write"]', "Input should be 'inspect'"),
        (f'[[keys]]\nname = "a\\nb"\nsha256 = "{"0" * 64}"\nscopes = ["read"]', "keys.0.name"),
        (f'[[keys]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = []', "keys.0.scopes"),
        (f'[[keys]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = ["read"]\nlimit = "fast"', "keys.0.limit"),
        (f'[[keys]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = ["read"]\nexpires = 2027-01-01', "keys.0.expires"),
        (f'[[keys]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = ["read"]\n' * 2, "a name is given twice"),
        ("\xff", "UTF-8"),
        ("#" * (1 << 20 | 1), "bytes"),
    ],
)
def test_a_wrong_file_is_refused_by_the_place_and_never_by_the_value(file: Path, text: str, says: str) -> None:
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadKeyFile, match=says) as refusal:
        read_keys(file)
    assert WRITTEN not in str(refusal.value)
    assert refusal.value.__cause__ is None or WRITTEN not in str(refusal.value.__cause__)


def test_a_name_that_is_taken_gets_no_second_key(file: Path) -> None:
    add_key(file, "a", ["read"])
    before = file.read_text()
    with pytest.raises(BadKeyFile, match="a name is given twice"):
        add_key(file, "a", ["admin"])
    assert file.read_text() == before
