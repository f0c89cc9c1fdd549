"""Settings: what counts, what is refused and how it is told."""

from __future__ import annotations

import re
import tomllib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.config import KEYS, SECTIONS, Settings, load
from bot.config_sources import Given
from core.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
TOKEN = "123456789:AAcanaryCanaryCanaryCanaryCanary_-1"


def wrong(path: Path | None, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, environ=environ)
    assert "config.example.toml" in caught.value.message
    return caught.value.message


@pytest.fixture
def write(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_without_a_file_and_variables_the_defaults_hold() -> None:
    settings = load(None, environ={"HOME": "/root", "PATH": "/bin"})
    assert settings.telegram.api_base_url == "https://api.telegram.org"
    assert settings.calls.expires_after == settings.calls.start_within == timedelta(hours=24)
    assert settings.calls.reply_after == timedelta(seconds=30)
    assert settings.expenses.low_limit == Decimal(50)
    assert settings.expenses.medium_limit == Decimal(500)
    assert settings.storage.folder == Path.cwd() / "data"
    assert settings.storage.database == Path.cwd() / "data" / "countersign.sqlite3"
    assert settings.policy.file is None
    assert settings.secrets == ()


def test_settings_are_frozen() -> None:
    settings = load(None, environ={})
    with pytest.raises(ValidationError):
        settings.workers.concurrency = 9


# --- the example ------------------------------------------------------------------------------------------


def example_keys() -> dict[tuple[str, str], bool]:
    """Every key in the example, and whether it is commented out."""
    keys: dict[tuple[str, str], bool] = {}
    section = ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
        elif assignment := re.match(r"(# )?(\w+) = ", line):
            keys[section, assignment[2]] = bool(assignment[1])
    return keys


def test_the_example_has_every_key_and_no_other() -> None:
    assert set(example_keys()) == set(KEYS)


def test_the_example_explains_every_key() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if re.match(r"(# )?\w+ = ", line):
            assert re.match(r"# \S.{15,}", lines[number - 1]), f"{line!r} has no explanation above it"


def test_the_example_is_valid_and_shows_the_defaults() -> None:
    shown = load(EXAMPLE, environ={})
    default = load(None, environ={}, data=EXAMPLE.parent / "data")
    assert shown.storage.database == default.storage.database
    assert shown.model_copy(update={"storage": default.storage}) == default


@pytest.mark.parametrize("key", [key for key, commented in example_keys().items() if commented])
def test_what_the_example_has_commented_out_is_valid_too(
    key: tuple[str, str], write: Path, tmp_path: Path
) -> None:
    text = re.sub(rf"(?m)^# ({key[1]} = )", r"\1", EXAMPLE.read_text(encoding="utf-8"))
    secret = tmp_path / "telegram_token"
    secret.write_text(TOKEN)
    shared = tmp_path / "http_key"
    shared.write_text("k" * 48)
    text = text.replace("/run/secrets/http_key", str(shared))
    text = text.replace("/run/secrets/metrics_token", str(shared))
    write.write_text(text.replace("/run/secrets/telegram_token", str(secret)))
    assert tomllib.loads(write.read_text())[key[0]][key[1]]
    assert getattr(getattr(load(write, environ={}), key[0]), key[1]) is not None


def test_every_key_says_what_is_allowed() -> None:
    assert {section for section, _ in KEYS} == set(Settings.model_fields)
    for section, key in KEYS:
        assert SECTIONS[section].model_fields[key].description


# --- layers -----------------------------------------------------------------------------------------------


def test_the_environment_stands_over_the_file(write: Path) -> None:
    write.write_text('[workers]\nconcurrency = 2\n[tenant]\nname = "Family"\n')
    settings = load(write, environ={"COUNTERSIGN_WORKERS__CONCURRENCY": "7"})
    assert (settings.workers.concurrency, settings.tenant.name) == (7, "Family")


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load(None, environ={"COUNTERSIGN_WORKERS__CONCURRENCY": " "}).workers.concurrency == 8


def test_paths_start_from_the_file_variables_and_options_from_the_working_folder(
    write: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write.write_text('[policy]\nfile = "rules/policy.toml"\n[logging]\nfile = ""\n')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    settings = load(write, environ={"COUNTERSIGN_LOGGING__FILE": "log.jsonl"}, data=Path("kept"))
    assert settings.policy.file == tmp_path / "rules" / "policy.toml"
    assert settings.logging.file == elsewhere / "log.jsonl"
    assert settings.storage.folder == elsewhere / "kept"
    assert load(write, environ={}).storage.folder == tmp_path / "data"
    assert load(write, environ={}).logging.file is None


def test_a_database_may_lie_elsewhere(write: Path) -> None:
    write.write_text('[storage]\nurl = "sqlite:////var/lib/countersign/db.sqlite3"\n')
    assert load(write, environ={}).storage.database == Path("/var/lib/countersign/db.sqlite3")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"90s"', timedelta(seconds=90)),
        ('"30m"', timedelta(minutes=30)),
        ('" 24 H "', timedelta(hours=24)),
        ('"2d"', timedelta(days=2)),
        ('"45"', timedelta(seconds=45)),
        ("45", timedelta(seconds=45)),
        ("1.5", timedelta(seconds=1.5)),
    ],
)
def test_durations(write: Path, written: str, meant: timedelta) -> None:
    write.write_text(f"[calls]\nexpires_after = {written}\n")
    assert load(write, environ={}).calls.expires_after == meant


def test_amounts_are_exact(write: Path) -> None:
    write.write_text("[expenses]\nlow_limit = 50.10\n")
    assert load(write, environ={}).expenses.low_limit == Decimal("50.10")


# --- secrets ----------------------------------------------------------------------------------------------


def test_the_token_may_come_from_a_file(write: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    write.write_text('[telegram]\ntoken_file = "token"\n')
    settings = load(write, environ={})
    assert settings.telegram.required_token() == TOKEN
    assert settings.secrets == (TOKEN,)
    assert TOKEN not in repr(settings)
    assert TOKEN not in settings.model_dump_json()


def test_a_token_in_the_environment_stands_over_a_token_file_in_the_file(write: Path) -> None:
    write.write_text('[telegram]\ntoken_file = "there/is/none"\n')
    assert load(write, environ={"COUNTERSIGN_TELEGRAM__TOKEN": TOKEN}).telegram.required_token() == TOKEN


def test_a_token_file_in_the_environment_stands_over_a_token_in_the_file(write: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    write.write_text('[telegram]\ntoken = "1:other"\n')
    environ = {"COUNTERSIGN_TELEGRAM__TOKEN_FILE": str(tmp_path / "token")}
    assert load(write, environ=environ).telegram.required_token() == TOKEN


def test_both_a_token_and_a_token_file_are_refused(write: Path) -> None:
    write.write_text(f'[telegram]\ntoken = "{TOKEN}"\ntoken_file = "token"\n')
    told = wrong(write)
    assert f"telegram.token and telegram.token_file are both given ({write}, line 2)" in told
    assert TOKEN not in told


def test_a_missing_token_file_and_an_empty_one_are_told(write: Path, tmp_path: Path) -> None:
    write.write_text('[telegram]\ntoken_file = "token"\n')
    assert "token' (" in wrong(write)
    assert "cannot be read (No such file or directory)" in wrong(write)
    (tmp_path / "token").write_text("\n")
    assert "the file is empty; it must hold telegram.token" in wrong(write)
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    assert "not UTF-8 text at byte 0" in wrong(write)


@pytest.mark.parametrize("bad", [f"bot{TOKEN}", TOKEN.replace(":", "/"), f"{TOKEN} x", "12345"])
def test_a_wrong_token_is_told_without_showing_it(bad: str, write: Path) -> None:
    told = wrong(None, COUNTERSIGN_TELEGRAM__TOKEN=bad)
    assert "telegram.token = [hidden] does not fit; allowed: the token that @BotFather gave" in told
    assert "environment variable COUNTERSIGN_TELEGRAM__TOKEN" in told
    assert bad not in told
    assert TOKEN[-20:] not in told
    write.write_text(f'[telegram]\ntoken = "{bad}"\n')
    assert bad not in wrong(write)


def test_a_secret_in_an_unknown_key_or_in_broken_toml_is_not_shown(write: Path) -> None:
    write.write_text(f'[telegram]\ntokn = "{TOKEN}"\n')
    assert TOKEN not in wrong(write)
    write.write_text(f"[telegram]\ntoken = {TOKEN}\n")
    assert TOKEN[-20:] not in wrong(write)
    assert "line 2" in wrong(write)


def test_a_missing_token_is_told_with_the_ways_to_give_one() -> None:
    with pytest.raises(ConfigError, match="COUNTERSIGN_TELEGRAM__TOKEN") as caught:
        load(None, environ={}).telegram.required_token()
    assert "token_file" in caught.value.message


@pytest.mark.parametrize(
    "address",
    [
        "u:canary%231@h:5432/db",
        "u:canary%231@[::1]:5432/db?sslmode=require",
        "h/db?user=u&password=canary%231",
        "/db?host=/run/pg&sslpassword=canary%231&port=5433",
    ],
)
def test_a_database_s_password_is_a_secret_wherever_it_stands(write: Path, address: str) -> None:
    write.write_text(f'[storage]\nurl = "postgresql://{address}"\n')
    settings = load(write, environ={})
    assert settings.secrets == ("canary#1",)
    assert "canary" not in repr(settings)
    write.write_text(f'[storage]\nurl = "mysql://{address}"\n')
    assert "canary" not in wrong(write)


def test_a_proxy_with_a_password_is_a_secret(write: Path) -> None:
    write.write_text('[telegram]\nproxy = "http://me:canary@proxy:3128"\n')
    settings = load(write, environ={})
    assert settings.secrets == ("http://me:canary@proxy:3128",)
    assert "canary" not in repr(settings)
    write.write_text('[telegram]\nproxy = "socks5://me:canary@proxy:3128"\n')
    assert "canary" not in wrong(write)


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "line", "said"),
    [
        ("telegram", 'api_base_url = "ftp://x"', "http:// or https://"),
        ("telegram", 'api_base_url = "https://x:99999999"', "http:// or https://"),
        ("telegram", 'api_base_url = "https://"', "http:// or https://"),
        ("telegram", 'approvers_chat = "the office"', "a chat's id"),
        ("telegram", "poll_timeout_s = 51", "a whole number of seconds from 1 to 50"),
        ("telegram", "poll_timeout_s = true", "a whole number of seconds from 1 to 50"),
        ("storage", 'url = "mysql://host/db"', "postgresql://USER:PASSWORD@HOST"),
        ("storage", 'url = "sqlite:///:memory:"', "sqlite:///FILE"),
        ("storage", 'folder = ""', "a folder that Countersign may write to"),
        ("tenant", 'id = "../etc"', "small letters"),
        ("tenant", 'currency = "euro"', "ISO 4217"),
        ("tenant", 'timezone = "Berlin"', "an IANA time zone"),
        ("tenant", 'timezone = "/etc/passwd"', "an IANA time zone"),
        ("calls", 'expires_after = "a while"', 'a duration such as "24h"'),
        ("calls", "expires_after = 0", 'a duration such as "24h"'),
        ("calls", "reply_after = -1", 'a duration such as "30s", or 0'),
        ("calls", "start_within = true", 'a duration such as "24h"'),
        ("expenses", "low_limit = -1", "an amount of 0 or more"),
        ("expenses", "low_limit = nan", "an amount of 0 or more"),
        ("expenses", "medium_limit = 20", "not below expenses.low_limit"),
        ("logging", 'level = "loud"', "debug, info, warning or error"),
        ("logging", "format = 1", "auto, json or console"),
        ("workers", "concurrency = 0", "a whole number from 1 to 64"),
        ("workers", "concurrency = 1.5", "a whole number from 1 to 64"),
    ],
)
def test_a_wrong_value_names_key_value_allowed_and_line(
    section: str, line: str, said: str, write: Path
) -> None:
    key, value = line.split(" = ")
    write.write_text(f"# settings\n\n[{section}]\n# a comment: {key} = 1\n{line}\n")
    told = wrong(write)
    assert told.startswith(f"{section}.{key} = ")
    assert value.strip('"') in told.replace("True", "true").replace("NaN", "nan")
    assert said in told
    assert f"({write}, line 5)" in told
    assert len(told.splitlines()) == 2


def test_every_wrong_value_is_told_at_once(write: Path) -> None:
    write.write_text('workers.concurrency = 0\n[tenant]\nid = "A"\n')
    told = wrong(write, COUNTERSIGN_LOGGING__LEVEL="loud")
    assert (
        f"workers.concurrency = 0 does not fit; allowed: a whole number from 1 to 64 ({write}, line 1)"
        in told
    )
    assert "tenant.id = 'A' does not fit" in told
    assert "logging.level = 'loud' does not fit" in told
    assert "(environment variable COUNTERSIGN_LOGGING__LEVEL)" in told


BROKEN = "u:canary@h:port/db u:canary@h:1,i:2/db u:canary/x@h/db u:canary@x@h/db u:canary50%of@h ["


@pytest.mark.parametrize("address", BROKEN.split())
def test_an_address_that_its_driver_could_not_read_is_told_without_the_password(
    address: str, write: Path
) -> None:
    write.write_text(f'[storage]\nurl = "postgresql://{address}"\n')
    told = wrong(write)
    assert told.startswith("storage.url = 'postgresql://")
    assert "PORT a number" in told
    assert f"({write}, line 2)" in told
    assert "canary" not in told


def test_a_limit_that_passes_another_ones_default_is_told(write: Path) -> None:
    write.write_text("[expenses]\nlow_limit = 900\n")
    assert "expenses.medium_limit = 500 does not fit" in wrong(write)
    assert "(the default)" in wrong(write)


def test_a_long_wrong_value_is_cut_and_a_password_in_it_hidden(write: Path) -> None:
    write.write_text(f'[storage]\nurl = "mysql://me:canary@host/{"x" * 500}"\n')
    told = wrong(write)
    assert "canary" not in told
    assert "…" in told
    assert len(told) < 400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[telegram]\ntokn = 1\n",
            "telegram.tokn is not a setting ({file}, line 2); did you mean telegram.token?",
        ),
        ("[telegramm]\n", "telegramm is not a setting ({file}, line 1); did you mean telegram?"),
        (
            "concurrency = 3\n",
            "concurrency is not a setting ({file}, line 1); did you mean workers.concurrency?",
        ),
        ("[zzz]\n", "zzz is not a setting ({file}, line 1).\n"),
        (
            "telegram = 5\n",
            "telegram is a table and has no value of its own: write [telegram] ({file}, line 1).",
        ),
        (
            "[[tenant]]\nid = 'a'\n",
            "tenant is a table and has no value of its own: write [tenant] ({file}, line 1).",
        ),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest(text: str, said: str, write: Path) -> None:
    write.write_text(text)
    assert said.format(file=write) in wrong(write)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("COUNTERSIGN_TELEGRAM_TOKEN", "did you mean COUNTERSIGN_TELEGRAM__TOKEN?"),
        ("COUNTERSIGN_TELEGRAM__TOKNE", "did you mean COUNTERSIGN_TELEGRAM__TOKEN?"),
        ("countersign_telegram__token", "countersign_telegram__token is not a setting"),
        ("COUNTERSIGN_ZZZ", "COUNTERSIGN_ZZZ is not a setting (an environment variable)."),
    ],
)
def test_a_mistyped_variable_is_an_error_that_does_not_show_its_value(name: str, said: str) -> None:
    told = wrong(None, **{name: TOKEN})
    assert said in told
    assert TOKEN not in told


def test_a_file_that_cannot_be_read_is_told(write: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file; `countersign init`"):
        load(write, environ={})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, environ={})
    write.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8 text at byte 0"):
        load(write, environ={})


def test_a_given_value_that_is_no_text_is_left_for_the_check() -> None:
    assert Given(value=5, where="", base=Path("/")).absolute == 5
