"""So many a second, and no more."""

from __future__ import annotations

import pytest

from tests.fixtures.clock import Clock
from wedsync.platform.settings import MissingSettingError, Settings
from wedsync.realtime import pacing


def test_a_second_of_them_goes_at_once_and_the_rest_at_the_rate(clock: Clock) -> None:
    bucket = pacing.Bucket(10)

    sent = [(each, round(clock.now - 100, 3)) for each in bucket.paced(map(str, range(25)))]

    assert [each for each, _ in sent] == [str(n) for n in range(25)]
    assert [at for _, at in sent] == [0.0] * 10 + [n / 10 for n in range(1, 16)]


def test_a_pause_fills_it_again_up_to_a_second(clock: Clock) -> None:
    bucket = pacing.Bucket(10)
    list(bucket.paced(["x"] * 10))
    clock.sleep(60)
    began = clock.now

    assert [round(clock.now - began, 3) for _ in bucket.paced(["x"] * 12)] == [0.0] * 10 + [0.1, 0.2]


def test_who_is_given_a_part_goes_at_that_part_of_the_rate(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTS_PER_SECOND", "10")
    began = clock.now

    assert [round(clock.now - began, 3) for _ in pacing.paced(["x"] * 7, 0.5)] == [0.0] * 5 + [0.2, 0.4]


def test_parts_of_the_rate_are_kept_to_side_by_side(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTS_PER_SECOND", "10")
    began = clock.now

    for _ in range(5):
        list(pacing.paced(["event"], 1))
        list(pacing.paced(["notification"], 0.2))

    assert clock.now - began == pytest.approx(1.5)  # of two a second three had to wait


@pytest.mark.parametrize("value", ["", "0", "-1", "many", "1.5"])
def test_a_rate_that_makes_no_sense_is_no_setting(value: str) -> None:
    with pytest.raises(MissingSettingError, match="POSTS_PER_SECOND"):
        _ = Settings({"POSTS_PER_SECOND": value}).posts_per_second
