"""Typed settings: a TOML file, environment variables over it, secrets also from files.

A wrong value ends the start with a ConfigError that names the key, the value (never a secret's), what is
allowed and where it stands. `config.example.toml` explains every key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails

from bot.config_http import HttpSettings
from bot.config_keeping import RetentionSettings
from bot.config_kinds import LONGEST, Amount, Duration, Section, Whole, is_http
from bot.config_limits import LimitSettings
from bot.config_resilience import ResilienceSettings
from bot.config_schedules import ScheduleSettings
from bot.config_sources import (
    EXAMPLE,
    PREFIX,
    Given,
    Key,
    dotted,
    from_environment,
    from_file,
    secret_from_file,
    told,
)
from bot.config_watching import AlarmSettings, LoggingSettings, MetricsSettings
from bot.config_webhooks import WebhookSettings
from core.errors import ConfigError
from core.redaction import MASK, Redactor

_SQLITE: Final = re.compile(r"sqlite(\+aiosqlite)?:///(?!:memory:)[^?#]+")
_POSTGRESQL: Final = re.compile(
    r"(?!.*%(?:00|(?![0-9A-Fa-f]{2})))postgresql://(?:[^\s/@]*@)?"
    r"(?:\[[^\s/?\]]+\]|[^\s/:?@\[]*)(?::[0-9]{0,5})?(?:/[^\s?]*)?(?:\?\S*)?"
)
"""What libpq and SQLAlchemy read alike. Of a wrong % libpq would show the whole password."""
_PASSWORD: Final = re.compile(r"://[^:/@]*:([^/@]+)@|[?&](?:ssl)?password=([^&]+)")


class TelegramSettings(Section):
    """The bot at Telegram."""

    token: SecretStr | None = Field(
        default=None, description="the token that @BotFather gave: digits, a colon, letters, digits, - and _"
    )
    token_file: Path | None = Field(default=None, description="a file that holds the token and nothing else")
    api_base_url: str = Field(
        default="https://api.telegram.org", description="http:// or https://, a host and perhaps a port"
    )
    proxy: SecretStr | None = Field(default=None, description="http:// or https://, a host and a port")
    approvers_chat: Whole | None = Field(
        default=None, description="a chat's id: a whole number, negative for groups"
    )
    poll_timeout_s: Whole = Field(
        default=25, ge=1, le=50, description="a whole number of seconds from 1 to 50"
    )

    @field_validator("token")
    @classmethod
    def _looks_like_a_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"\d+:[A-Za-z0-9_-]{3,}", value.get_secret_value()):
            raise ValueError("not a token")
        return value

    @field_validator("api_base_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if not is_http(value):
            raise ValueError("not an address")
        return value.rstrip("/")

    @field_validator("proxy")
    @classmethod
    def _is_a_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_http(value.get_secret_value()):
            raise ValueError("not an address")
        return value

    def required_token(self) -> str:
        """The token. Raises ConfigError where there is none, with the ways to give one."""
        if self.token is None:
            raise ConfigError(
                "telegram.token is not set. Ask @BotFather for one and put it into the config file, into the "
                f"variable {PREFIX}TELEGRAM__TOKEN, or into a file named by telegram.token_file; "
                f"`countersign init` does it with you. See {EXAMPLE}."
            )
        return self.token.get_secret_value()


class StorageSettings(Section):
    """Where everything is kept."""

    folder: Path = Field(default=Path("data"), description="a folder that Countersign may write to")
    url: SecretStr | None = Field(
        default=None,
        description="sqlite:///FILE, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE (PORT a number; "
        "@, / and % in a password as %40, %2F and %25)",
    )

    @field_validator("url")
    @classmethod
    def _is_a_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not any(
            kind.fullmatch(value.get_secret_value()) for kind in (_SQLITE, _POSTGRESQL)
        ):
            raise ValueError("not the address of a database")
        return value

    @property
    def database(self) -> Path | str:
        """The SQLite file (a relative one lies in `folder`), or the address of a PostgreSQL database."""
        if self.url is None:
            return self.folder / "countersign.sqlite3"
        url = self.url.get_secret_value()
        return url if url.startswith("postgresql:") else self.folder / url.split(":///", 1)[1]

    @property
    def lock(self) -> Path:
        """The file that proves that one process has the records."""
        database = self.database
        return (
            database.with_suffix(".lock") if isinstance(database, Path) else self.folder / "countersign.lock"
        )


class TenantSettings(Section):
    """The organisation, family or team that the bot serves."""

    id: str = Field(
        default="main",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$",
        description="1 to 40 small letters, digits, - and _, the first a letter or a digit",
    )
    name: str = Field(default="Our team", min_length=1, max_length=80, description="1 to 80 characters")
    currency: str = Field(
        default="EUR", pattern=r"^[A-Z]{3}$", description="an ISO 4217 code of three capitals, such as EUR"
    )
    timezone: str = Field(default="UTC", description="an IANA time zone, such as Europe/Berlin")

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):  # unknown, absolute or malformed, a folder's name
            raise ValueError("not a time zone") from None
        return value


class PolicySettings(Section):
    """What needs a signature."""

    file: Path | None = Field(default=None, description="a TOML file of rules")


class CallSettings(Section):
    """How long calls wait."""

    expires_after: Duration = Field(
        default=timedelta(hours=24),
        gt=timedelta(0),
        le=LONGEST,
        description='a duration such as "24h", up to 366 days',
    )
    start_within: Duration = Field(
        default=timedelta(hours=24),
        gt=timedelta(0),
        le=LONGEST,
        description='a duration such as "24h", up to 366 days',
    )
    reply_after: Duration = Field(
        default=timedelta(seconds=30),
        ge=timedelta(0),
        le=LONGEST,
        description='a duration such as "30s", or 0',
    )


class ExpenseSettings(Section):
    """From which amounts an expense is a risk, in the tenant's currency."""

    low_limit: Amount = Field(
        default=Decimal(50),
        ge=0,
        max_digits=15,
        allow_inf_nan=False,
        description="an amount of 0 or more, such as 50",
    )
    medium_limit: Amount = Field(
        default=Decimal(500),
        ge=0,
        max_digits=15,
        allow_inf_nan=False,
        description="an amount, not below expenses.low_limit, such as 500",
    )

    @field_validator("medium_limit")
    @classmethod
    def _not_below_low(cls, value: Decimal, info: Any) -> Decimal:
        if value < info.data.get("low_limit", Decimal(0)):
            raise ValueError("below low_limit")
        return value


class WorkerSettings(Section):
    """Who runs approved calls."""

    concurrency: Whole = Field(default=8, ge=1, le=64, description="a whole number from 1 to 64")
    per_tenant: Whole = Field(default=8, ge=1, le=64, description="a whole number from 1 to 64")
    per_tool: Whole = Field(default=4, ge=1, le=64, description="a whole number from 1 to 64")


class Settings(Section):
    """All settings, checked and frozen. Paths are absolute."""

    telegram: TelegramSettings = Field(default_factory=TelegramSettings)
    storage: StorageSettings = Field(default_factory=StorageSettings)
    tenant: TenantSettings = Field(default_factory=TenantSettings)
    policy: PolicySettings = Field(default_factory=PolicySettings)
    calls: CallSettings = Field(default_factory=CallSettings)
    expenses: ExpenseSettings = Field(default_factory=ExpenseSettings)
    logging: LoggingSettings = Field(default_factory=LoggingSettings)
    workers: WorkerSettings = Field(default_factory=WorkerSettings)
    resilience: ResilienceSettings = Field(default_factory=ResilienceSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    alarms: AlarmSettings = Field(default_factory=AlarmSettings)
    webhooks: WebhookSettings = Field(default_factory=WebhookSettings)
    schedules: ScheduleSettings = Field(default_factory=ScheduleSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret among the settings, for `core.redaction.Redactor`."""
        fields = [getattr(getattr(self, section), key) for section, key in sorted(_SECRETS)]
        plain = [value.get_secret_value() for value in fields if isinstance(value, SecretStr)]
        url = self.storage.url
        return (*plain, *(() if url is None else _passwords(url.get_secret_value())))


SECTIONS: Final[Mapping[str, type[Section]]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
KEYS: Final[tuple[Key, ...]] = tuple(
    (name, key) for name, section in SECTIONS.items() for key in section.model_fields
)
"""Every (section, key) there is."""
_SECRETS: Final = frozenset(
    {("telegram", "token"), ("telegram", "proxy"), ("http", "key"), ("metrics", "token")}
)
_FILES: Final[Mapping[Key, Key]] = {
    ("telegram", "token_file"): ("telegram", "token"),
    ("http", "key_file"): ("http", "key"),
    ("metrics", "token_file"): ("metrics", "token"),
}
"""Keys that name a file, and the secret that is read from it."""
_PATHS: Final = frozenset(
    (name, key) for name, key in KEYS if SECTIONS[name].model_fields[key].annotation in (Path, Path | None)
)


def load(path: Path | None, *, environ: Mapping[str, str], data: Path | None = None) -> Settings:
    """The settings of this file under these environment variables. Raises ConfigError for anything wrong.

    Relative paths start from the file's folder, those in variables and `data` from the working folder.
    An empty variable counts as not set. `data` stands over `storage.folder`.
    """
    base = path.resolve().parent if path else Path.cwd()
    given = {("storage", "folder"): Given(value="data", where="the default", base=base)}
    _lay_over(given, from_file(path, KEYS) if path else {})
    _lay_over(given, from_environment(environ, KEYS))
    if data is not None:
        given["storage", "folder"] = Given(value=str(data), where="the option --data", base=Path.cwd())
    _read_secrets(given)
    values: dict[str, dict[str, object]] = {}
    for (section, key), item in given.items():
        values.setdefault(section, {})[key] = item.absolute if (section, key) in _PATHS else item.value
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = [_problem(detail, given) for detail in error.errors(include_url=False)]
        raise ConfigError(told(problems)) from None


def holds_secret(path: Path) -> bool:
    """Whether a secret stands in this config file itself. Raises ConfigError where it cannot be read."""
    given = {key: str(item.value) for key, item in from_file(path, KEYS).items()}
    proxy, url = given.get(("telegram", "proxy"), ""), given.get(("storage", "url"), "")
    # An address is a secret by what stands in it.
    return bool(given.keys() & (_SECRETS - {("telegram", "proxy")}) or "@" in proxy or _passwords(url))


def _passwords(address: str) -> list[str]:
    """What is secret in the address of a database."""
    return [unquote(first or second) for first, second in _PASSWORD.findall(address)]


def _lay_over(below: dict[Key, Given], above: Mapping[Key, Given]) -> None:
    """Puts `above` on top. A secret given above also takes the place of its file below, and vice versa."""
    for file_key, key in _FILES.items():
        if key in above and file_key in above:
            names = f"{dotted(key)} and {dotted(file_key)}"
            raise ConfigError(told([f"{names} are both given ({above[key].where}): give one of them."]))
        if key in above or file_key in above:
            below.pop(key, None)
            below.pop(file_key, None)
    below.update(above)


def _read_secrets(given: dict[Key, Given]) -> None:
    for file_key, key in _FILES.items():
        item = given.get(file_key)
        if item is not None and isinstance(item.absolute, str):
            given[key] = secret_from_file(key, file_key, item)


def _problem(detail: ErrorDetails, given: Mapping[Key, Given]) -> str:
    section, key = str(detail["loc"][0]), str(detail["loc"][1])
    item = given.get((section, key))
    allowed = SECTIONS[section].model_fields[key].description
    value = _shown((section, key), detail["input"] if item is None else item.value)
    where = item.where if item else "the default"
    return f"{section}.{key} = {value} does not fit; allowed: {allowed} ({where})."


def _shown(key: Key, value: object) -> str:
    if key in _SECRETS:
        return MASK
    if isinstance(value, str):  # it fits nothing, so that its parts may be anywhere
        value = re.sub(r"(?i)(?<=password=)[^&]*", MASK, value)
        value = re.sub(r"(?<=://).*(?=@)", MASK, value)
    plain = isinstance(value, int | Decimal) and not isinstance(value, bool)
    text = Redactor().clean(str(value) if plain else repr(value))
    return text if len(text) <= 80 else text[:79] + "…"
