"""The environment of a function."""

from __future__ import annotations

import pytest

from wedsync.platform.settings import Credentials, MissingSettingError, Settings, settings


def test_a_value_that_is_missing_is_named_when_it_is_used() -> None:
    nothing = Settings({})

    for used in (lambda: nothing.database_host, lambda: nothing.jwt_issuer, lambda: nothing.aws_credentials):
        with pytest.raises(MissingSettingError, match=r"DATABASE_HOST|JWT_ISSUER|AWS_ACCESS_KEY_ID"):
            used()


def test_an_empty_value_is_a_missing_one() -> None:
    with pytest.raises(MissingSettingError, match="JWT_AUDIENCE"):
        _ = Settings({"JWT_AUDIENCE": ""}).jwt_audience


def test_a_flag_is_true_or_false_and_nothing_else() -> None:
    assert Settings({"DATABASE_PIPELINE": "true"}).database_pipeline
    assert not Settings({"DATABASE_PIPELINE": "false"}).database_pipeline
    with pytest.raises(MissingSettingError, match="DATABASE_PIPELINE"):
        _ = Settings({"DATABASE_PIPELINE": "yes"}).database_pipeline


def test_a_port_is_a_number() -> None:
    assert Settings({"DATABASE_PORT": "5432"}).database_port == 5432
    with pytest.raises(MissingSettingError, match="DATABASE_PORT"):
        _ = Settings({"DATABASE_PORT": "five"}).database_port


def test_origins_are_a_list() -> None:
    assert Settings({"ALLOWED_ORIGINS": " https://a.example, https://b.example,"}).allowed_origins == {
        "https://a.example",
        "https://b.example",
    }
    assert Settings({}).allowed_origins == frozenset()


def test_credentials_are_read_anew_because_lambda_replaces_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, session in (("one", ""), ("two", "token")):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_SESSION_TOKEN", session)

        assert settings().aws_credentials == Credentials(key, "secret", session)


def test_secrets_are_not_shown_when_settings_or_credentials_are_printed() -> None:
    shown = repr(Settings({"DATABASE_PASSWORD": "hunter2"})) + repr(Credentials("key", "hunter2", "hunter2"))

    assert "hunter2" not in shown
