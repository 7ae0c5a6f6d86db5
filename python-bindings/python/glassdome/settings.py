"""Secrets as a source of ``pydantic-settings``: a class of settings is filled from the vault, and nothing passes
through the environment."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

import glassdome
from pydantic import AliasChoices, AliasPath
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError

from . import _reference


class GlassdomeSettingsSource(PydanticBaseSettingsSource):
    """Fills fields with secrets of their names, or of their aliases, below a prefix.

    ``GlassdomeSettingsSource(settings_cls, prefix="shop/dev")`` fills ``password: SecretStr`` from the secret
    ``shop/dev/password``, and ``url: str = Field(validation_alias="DATABASE_URL")`` from ``shop/dev/DATABASE_URL``;
    with ``names={"password": "shop/db#password"}`` a field has the secret (``NAME`` or ``NAME#FIELD``) that is said
    there, without the prefix. Lists, models and the like are read as JSON. Fields that a source before this one has
    filled are not asked for, and a secret that is not there leaves a field to the next source, or to its default.

    Errors: those of `glassdome.get`; `SettingsError` of a value that is not the JSON that the field takes;
    `glassdome.UsageError` if the class does not have ``hide_input_in_errors=True`` in its ``model_config``, since
    pydantic's errors would show all values, of secret fields too.
    """

    def __init__(
        self, settings_cls: type[BaseSettings], *, prefix: str = "", names: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(settings_cls)
        if not self.config.get("hide_input_in_errors"):
            raise glassdome.UsageError(
                f"pydantic would show secrets in its errors. Say so in {settings_cls.__name__}: "
                "model_config = SettingsConfigDict(hide_input_in_errors=True)"
            )
        self._prefix = prefix.rstrip("/") + "/" if prefix else ""
        self._names = dict(names or {})

    def __call__(self) -> dict[str, Any]:
        filled: dict[str, Any] = {}
        try:
            self._fill(filled)
        except BaseException:
            # What shows the locals of a traceback is not to show the values that were fine.
            filled.clear()
            raise
        return filled

    def _fill(self, filled: dict[str, Any]) -> None:
        for field_name, field in self.settings_cls.model_fields.items():
            if any(key in self.current_state for key in (field_name, *self._keys(field, field_name))):
                continue
            value, key, is_complex = self.get_field_value(field, field_name)
            try:
                if value is not None:
                    filled[key] = self.prepare_field_value(field_name, field, value, is_complex)
            finally:
                del value

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The text of the first secret that is there, the key under which pydantic takes it, and whether that is of
        a part of it."""
        keys = self._keys(field, field_name)
        if field_name in self._names:
            references = [(self._names[field_name], *next(iter(keys.items())))]
        else:
            # All of it is the name: none of it is a field of a secret.
            references = [(f"{self._prefix}{key}#", key, part) for key, part in keys.items()]
        for reference, key, part in references:
            try:
                return _reference.value(reference), key, part
            except glassdome.NotFoundError:
                continue
        return None, field_name, False

    def prepare_field_value(self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool) -> Any:
        """What pydantic is given: JSON read, text as it is."""
        needs_json = value_is_complex or self.field_is_complex(field)
        if value is None or not (needs_json or self._may_be_complex(field)):
            return value
        try:
            return self.decode_complex_value(field_name, field, value)
        except ValueError:
            # Its errors hold the text.
            pass
        if needs_json:
            del value
            raise SettingsError(f"the secret for {self.settings_cls.__name__}.{field_name} is not the JSON it takes")
        return value

    def _keys(self, field: FieldInfo, field_name: str) -> dict[str, bool]:
        """The keys under which pydantic takes the field, and whether it takes a part of what is there."""
        alias = field.validation_alias if self.config.get("validate_by_alias") is not False else None
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias] if alias is not None else []
        keys = {
            str(choice.path[0]) if isinstance(choice, AliasPath) else choice: isinstance(choice, AliasPath)
            for choice in choices
        }
        if not keys or self.config.get("validate_by_name") or self.config.get("populate_by_name"):
            keys[field_name] = False
        return keys

    def _may_be_complex(self, field: FieldInfo) -> bool:
        """Of ``list[str] | None`` and the like."""
        return get_origin(field.annotation) in (Union, UnionType) and any(
            self.field_is_complex(FieldInfo(annotation=one)) for one in get_args(field.annotation)
        )
