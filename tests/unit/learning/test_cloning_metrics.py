"""From which probability a clone holds a button."""

from __future__ import annotations

import numpy as np
import pytest

from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.cloning_metrics import tune_thresholds


def tuned(probabilities: list[float], pressed: list[int]) -> tuple[float, float | None]:
    p = np.array(probabilities)
    logits = np.log(p / (1 - p)).astype(np.float32)[:, None]
    head, f1 = tune_thresholds(ActionHead(("key:a",)), logits, np.array(pressed, np.float32)[:, None])
    return head.thresholds[0], f1["key:a"]


def test_a_button_is_held_where_that_is_likelier_than_not() -> None:
    threshold, f1 = tuned([0.9, 0.8, 0.7, 0.2, 0.1], [1, 1, 0, 0, 0])
    assert threshold == 0.5
    assert f1 == pytest.approx(0.8)


def test_one_that_is_hard_to_foresee_is_held_as_often_as_by_the_person() -> None:
    threshold, f1 = tuned([0.45, 0.4, 0.3, 0.3, 0.2, 0.2, 0.2, 0.2], [1, 0, 1, 0, 0, 0, 0, 0])
    assert 0.3 < threshold <= 0.4
    assert f1 == pytest.approx(0.5)


def test_one_that_is_never_likely_is_held_at_last() -> None:
    assert tuned([0.05, 0.04, 0.03], [1, 1, 0])[0] == pytest.approx(0.1)


def test_one_that_was_not_pressed_has_no_f1() -> None:
    assert tuned([0.3, 0.2], [0, 0]) == (0.5, None)
