"""Settings of pydantic's from the vault: names, defaults, and that no error of pydantic's shows a value."""

from __future__ import annotations

import traceback

import glassdome
import pytest
from glassdome.settings import GlassdomeSettingsSource
from pydantic import AliasChoices, AliasPath, BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError
from shown import locals_shown

HIDDEN = SettingsConfigDict(hide_input_in_errors=True)


class Shop(BaseSettings):
    """What the others are made from: the environment first, then the vault."""

    model_config = HIDDEN

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        names = {"by_name": "elsewhere#user"}
        return init_settings, env_settings, GlassdomeSettingsSource(settings_cls, prefix="settings", names=names)


@pytest.fixture(autouse=True)
def secrets() -> None:
    for name, value in {
        "settings/password": "hunter2-of-the-vault",
        "settings/DATABASE_URL": "postgres://db",
        "settings/port": "5432",
        "settings/hosts": '["a", "b"]',
        "settings/pair": '{"user": "u", "key": "k"}',
        "settings/old": "of an old name",
        "settings/hash#tag": "whole",
    }.items():
        glassdome.set(name, value)
    glassdome.set("elsewhere", "ann", field="user")


class Pair(BaseModel):
    user: str
    key: SecretStr


class Settings(Shop):
    password: SecretStr
    url: str = Field(validation_alias="DATABASE_URL")
    port: int = 1
    hosts: list[str] = []
    more_hosts: list[str] | None = Field(None, validation_alias="hosts")
    text_or_list: list[str] | str = Field("", validation_alias="password")
    pair: Pair
    key: str = Field(validation_alias=AliasPath("pair", "key"))
    renamed: str = Field(validation_alias=AliasChoices("new", "old"))
    hash: str = Field(validation_alias="hash#tag")
    by_name: str = ""
    debug: bool = False


def test_fields_are_secrets_of_their_names() -> None:
    settings = Settings()  # type: ignore[call-arg]
    assert settings.password.get_secret_value() == "hunter2-of-the-vault"
    assert "hunter2" not in repr(settings.password)
    assert (settings.url, settings.port, settings.hosts) == ("postgres://db", 5432, ["a", "b"])
    assert settings.more_hosts == ["a", "b"]
    assert settings.text_or_list == "hunter2-of-the-vault"
    assert (settings.pair.user, settings.pair.key.get_secret_value(), settings.key) == ("u", "k", "k")
    assert (settings.renamed, settings.hash, settings.by_name) == ("of an old name", "whole", "ann")
    assert settings.debug is False


def test_what_was_said_before_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Two(Shop):
        password: str
        port: int = 1

    asked = []
    get = glassdome.get

    def spied(name: str, *, field: str | None = None) -> str:
        asked.append(name)
        return get(name, field=field)

    monkeypatch.setattr(glassdome, "get", spied)
    monkeypatch.setenv("PORT", "99")
    two = Two(password="given")
    assert (two.password, two.port, asked) == ("given", 99, [])
    assert Two(port=1).password == "hunter2-of-the-vault"  # type: ignore[call-arg]
    assert asked == ["settings/password"]


def test_a_locked_vault_is_no_default(locked: None) -> None:
    class One(Shop):
        port: int = 1

    with pytest.raises(glassdome.LockedError):
        One()


def test_no_error_shows_a_value() -> None:
    class Wrong(Shop):
        password: SecretStr = Field(max_length=3)
        port: int = Field(validation_alias="DATABASE_URL")
        missing: str

    class NoJson(Shop):
        password: list[str]

    with pytest.raises(ValidationError) as told:
        Wrong()  # type: ignore[call-arg]
    shown = "".join(traceback.format_exception(told.value))
    assert "3 validation errors" in shown
    assert "hunter2" not in shown and "postgres" not in shown
    with pytest.raises(SettingsError, match="NoJson.password is not the JSON it takes") as told_too:
        NoJson()  # type: ignore[call-arg]
    assert told_too.value.__context__ is None
    assert "hunter2" not in locals_shown(told_too.value)


def test_a_class_that_would_show_values_is_refused() -> None:
    class Open(Shop):
        model_config = SettingsConfigDict(hide_input_in_errors=False)
        password: str

    with pytest.raises(glassdome.UsageError, match="Say so in Open: model_config = SettingsConfigDict"):
        Open()  # type: ignore[call-arg]
