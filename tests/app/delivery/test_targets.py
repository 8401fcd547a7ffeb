"""A file of targets is refused at the start, in one line that holds no secret, where it says what cannot be."""

from pathlib import Path

import pytest

from app.delivery.errors import BadTargets
from app.delivery.targets import Mqtt, Webhook, read_targets
from tests.app.delivery.receiver import SECRET, targets_file

URL = '"https://mes.example/v?token=hidden"'


def test_secrets_are_found_beside_the_file_and_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n{SECRET}\n")
    monkeypatch.setenv("SCADA_PASSWORD", "hidden")
    path = targets_file(tmp_path, "[webhook.mes]", {"url": URL, "secret_file": '"secret"'})
    table = '\n[mqtt.scada]\nurl = "mqtts://broker"\nusername = "line"\npassword_env = "SCADA_PASSWORD"\n'
    path.write_text(path.read_text() + table)
    mes, scada = read_targets(path)
    assert isinstance(mes, Webhook)
    assert isinstance(scada, Mqtt)
    assert (mes.name, mes.secrets, mes.place) == ("mes", (SECRET, SECRET), "mes.example")
    assert (scada.topic, scada.password) == ("inspect/{station}/verdict", "hidden")
    assert SECRET not in repr(mes)
    assert "password='hidden'" not in repr(scada)


@pytest.mark.parametrize(
    ("table", "given", "says"),
    [
        ("[webhook.mes]", {"url": URL}, "needs secret_file or secret_env"),
        ("[webhook.mes]", {"url": URL, "secret_file": '"nowhere"'}, "is not there"),
        ("[webhook.mes]", {"url": URL, "secret_env": '"NOT_SET"'}, "no secret in NOT_SET"),
        ("[webhook.mes]", {"url": URL, "secret_file": '"secret"', "secret_env": '"A"'}, "not in both"),
        ("[webhook.mes]", {"url": URL, "secret_file": '"short"'}, "no base64"),
        ("[webhook.mes]", {"url": URL, "secrets": '["hidden"]'}, "secrets does not stand here"),
        ("[webhook.mes]", {"url": '"https://me:hidden@mes"', "secret_file": '"secret"'}, "user or password"),
        ("[webhook.mes]", {"url": '"mes.example"', "secret_file": '"secret"'}, "names no host"),
        ("[webhook.mes]", {"url": '"ftp://mes"', "secret_file": '"secret"'}, "no http"),
        ("[webhook.mes]", {"url": URL, "secret": '"hidden"'}, "Extra inputs"),
        ("[webhook.MES]", {"url": URL, "secret_file": '"secret"'}, "no name of a target"),
        ("[mqtt.scada]", {"url": '"http://broker"'}, "no mqtt"),
        ("[mqtt.scada]", {"url": '"mqtt://broker"', "topic": '"a/#"'}, "is no topic"),
        ("[mqtt.scada]", {"url": '"mqtt://broker"', "topic": '"a/{part}"'}, "knows no {part}"),
        ("[mqtt.scada]", {"url": '"mqtt://broker"', "topic": '"a/{station"'}, "topic"),
        ("[mqtt.scada]", {"url": '"mqtt://broker"', "topic": '"a/{station.x}"'}, "topic"),
        ("[mqtt.scada]", {"url": '"mqtt://broker"', "password_file": '"secret"'}, "no username"),
        ("[mqtt.scada]", {"url": '"mqtt://broker:x"'}, "mqtt"),
        ("[mqtt.", {}, "is no TOML"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, table: str, given: dict[str, str], says: str) -> None:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "short").write_text("whsec_a")
    with pytest.raises(BadTargets) as caught:
        read_targets(targets_file(tmp_path, table, given))
    assert says in str(caught.value)
    assert "hidden" not in str(caught.value)
