"""Settings come from the environment, and every wrong one is named with its fix."""

from pathlib import Path

import pytest

from app.errors import SettingError
from app.settings import Settings, is_secret, variables


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_env({"HOME": "/", "WAYBILL_WEB_PORT": " "})
    assert settings.model_dump() == Settings().model_dump()
    assert (settings.bootstrap_servers, settings.schema_registry_url) == ("127.0.0.1:9092", None)
    assert (settings.web_host, settings.web_port, settings.maps, settings.partitions) == ("127.0.0.1", 6066, (), None)


def test_every_field_has_its_variable() -> None:
    names = variables()
    assert names["bootstrap_servers"] == "KAFKA_BOOTSTRAP_SERVERS"
    assert names["schema_registry_url"] == "SCHEMA_REGISTRY_URL"
    assert names["maps"] == "WAYBILL_DUALWRITE_MAPS"
    assert names["effect_retry_max_ms"] == "WAYBILL_EFFECT_RETRY_MAX_MS"
    assert len(set(names.values())) == len(Settings.model_fields)


@pytest.mark.parametrize("servers", ["kafka", "a.example:9092,b.example:9092", "[::1]:9092", "10.0.0.1:1"])
def test_addresses_of_brokers(servers: str) -> None:
    assert Settings.from_env({"KAFKA_BOOTSTRAP_SERVERS": servers}).bootstrap_servers == servers


def test_values_are_read() -> None:
    settings = Settings.from_env(
        {
            "KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2",
            "SCHEMA_REGISTRY_URL": "http://registry:8081",
            "WAYBILL_PARTITIONS": "8",
            "WAYBILL_DUALWRITE_MAPS": "salesorders.fno-to-iom, salesorders.iom-to-fno,",
            "WAYBILL_PULL_INTERVAL_S": "0.25",
        }
    )
    assert settings.bootstrap_servers == "a:1,b:2"
    assert settings.schema_registry_url == "http://registry:8081"
    assert settings.maps == ("salesorders.fno-to-iom", "salesorders.iom-to-fno")
    assert (settings.partitions, settings.pull_interval_s) == (8, 0.25)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost:abc", "'localhost:abc' is no host:port"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1, b c:9092", "'b c:9092' is no host:port"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:99999", "'a:99999' is no host:port"),
        ("KAFKA_BOOTSTRAP_SERVERS", "http://a:1", "'http://a:1' is no host:port"),
        ("KAFKA_BOOTSTRAP_SERVERS", ",", "host:port"),
        (
            "WAYBILL_DUALWRITE_MAPS",
            "salesorders.fno-to-iom,salesorder.iom-to-fno",
            "did you mean `salesorders.iom-to-fno`?",
        ),
        (
            "WAYBILL_DUALWRITE_MAPS",
            "none",
            "there is no map 'none'; use one of: salesorders.fno-to-iom, ",
        ),
        ("WAYBILL_WEB_PORT", "http", "valid integer"),
        ("WAYBILL_WEB_PORT", "65536", "less than or equal to 65535"),
        ("WAYBILL_PARTITIONS", "0", "greater than or equal to 1"),
        ("WAYBILL_PULL_INTERVAL_S", "nan", "less than or equal to 86400"),
        ("WAYBILL_RECORD_BYTES_MAX", "9999999999", "less than or equal to 2097152"),
        ("WAYBILL_HEARTBEAT_INTERVAL_S", "3", "at most a third of WAYBILL_SESSION_TIMEOUT_S=6"),
        ("WAYBILL_EFFECT_RETRY_INITIAL_MS", "30001", "at most WAYBILL_EFFECT_RETRY_MAX_MS=30000"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(name: str, value: str, problem: str) -> None:
    with pytest.raises(SettingError) as caught:
        Settings.from_env({name: value})
    assert str(caught.value).startswith(name)
    assert value in str(caught.value)
    assert problem in str(caught.value)


def test_all_wrong_values_are_named_at_once() -> None:
    with pytest.raises(SettingError, match=r"WAYBILL_PARTITIONS.*; WAYBILL_WEB_PORT"):
        Settings.from_env({"WAYBILL_WEB_PORT": "x", "WAYBILL_PARTITIONS": "y"})


def test_every_field_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


REGISTRY = "SCHEMA_REGISTRY_URL"


@pytest.mark.parametrize(
    "address", ["registry:8081", "http://user:s3cret@", "http://user:s3cret@h:port", "http://h:1 s3cret"]
)
def test_a_refused_secret_is_not_printed(address: str) -> None:
    with pytest.raises(SettingError) as caught:
        Settings.from_env({REGISTRY: address})
    assert str(caught.value).startswith(f"{REGISTRY}")
    assert address not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://u:s3cret@[::1]:8081/path", "https://u@h.example", "http://h/a?key=1"])
def test_the_address_of_a_registry_may_have_a_password_and_be_in_a_file(tmp_path: Path, address: str) -> None:
    (tmp_path / "registry").write_text(f"{address}\n")
    settings = Settings.from_env({f"{REGISTRY}_FILE": str(tmp_path / "registry")})
    assert settings.schema_registry_url == address
    assert address not in repr(settings)


@pytest.mark.parametrize("token", ["short", "with a space in the middle", "0123456789abcde\u00e9", "x" * 5000])
def test_a_token_that_cannot_be_used_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(SettingError, match=r"^WAYBILL_WEB_TOKEN.*(16 to 4096 printable|has a space)") as caught:
        Settings.from_env({"WAYBILL_WEB_TOKEN": token})
    assert token not in str(caught.value)
    assert token not in str(caught.value.__cause__)


def test_a_token_is_not_shown() -> None:
    settings = Settings.from_env({"WAYBILL_WEB_TOKEN": "0123456789abcdef"})
    assert settings.web_token == "0123456789abcdef"
    assert "0123456789abcdef" not in f"{settings!r} {settings}"


def test_a_password_in_an_address_that_takes_none_is_not_printed() -> None:
    with pytest.raises(SettingError) as caught:
        Settings.from_env({"KAFKA_BOOTSTRAP_SERVERS": "a:1,sasl://user:s3cret@b:9093"})
    assert "is no host:port" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_no_secret_is_in_the_representation_of_settings() -> None:
    secrets = [name for name in Settings.model_fields if is_secret(name)]
    assert secrets
    assert [name for name in secrets if Settings.model_fields[name].repr] == []
