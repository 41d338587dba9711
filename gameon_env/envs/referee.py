"""The referee: reward, score and the end of an episode, from what the profile's readers say."""

from __future__ import annotations

import math

from gameon_env.games.profile import Profile, RewardTerm, Termination
from gameon_env.games.readers import GameView


class Referee:
    """Judges one game by its profile.

    A reader that cannot be read just now keeps its last value: it changes nothing and ends nothing.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._readers = profile.make_readers()
        self._held_steps = [0] * len(profile.terminations)
        self.values: dict[str, float] = dict.fromkeys(self._readers, math.nan)
        """The last value of each reader; NaN where it was never readable in this episode."""
        self.readings: dict[str, float | None] = dict.fromkeys(self._readers)
        """What each reader says of the last view alone; None where it could not be read there."""

    @property
    def score(self) -> float:
        """The raw score, as last read; NaN before it was."""
        return self.values[self._profile.score] if self._profile.score else math.nan

    @property
    def unread(self) -> tuple[str, ...]:
        """The readers of the score and the rewards that could not be read so far in this episode."""
        asked = [term.reader for term in self._profile.rewards]
        asked += [self._profile.score] if self._profile.score else []
        return tuple(name for name in dict.fromkeys(asked) if math.isnan(self.values[name]))

    def begin_reset(self) -> None:
        """What the readers remember of the last episode says nothing of the next."""
        self.values = dict.fromkeys(self._readers, math.nan)
        for reader in self._readers.values():
            reader.reset()

    def restart(self, view: GameView) -> None:
        """An episode begins with this view."""
        self.begin_reset()
        self._held_steps = [0] * len(self._profile.terminations)
        self._read_all(view)

    def says(self, name: str, view: GameView) -> bool:
        """Whether the reader is at least 1 in this view. All readers see the view: none misses a line of the log."""
        self._read_all(view)
        return self.values[name] >= 1

    def look(self, view: GameView) -> None:
        """Let all readers see a view that nothing is asked about."""
        self._read_all(view)

    def over_now(self) -> str:
        """The reader that says, by what was read last, that the game is over; "" where none does."""
        return next((rule.reader for rule in self._profile.terminations if self._holds(rule)), "")

    def judge(self, view: GameView) -> tuple[float, str]:
        """The reward of the step that led to this view, and the reader that says the game is over (or "")."""
        before = dict(self.values)
        self._read_all(view)
        reward = sum(self._worth(term, before[term.reader]) for term in self._profile.rewards)
        over = ""
        for number, rule in enumerate(self._profile.terminations):
            self._held_steps[number] = self._held_steps[number] + 1 if self._holds(rule) else 0
            if self._held_steps[number] >= rule.steps and not over:
                over = rule.reader
        return float(reward), over

    def _read_all(self, view: GameView) -> None:
        for name, reader in self._readers.items():
            self.readings[name] = value = reader.read(view)
            if value is not None:
                self.values[name] = value

    def _worth(self, term: RewardTerm, before: float) -> float:
        now = self.values[term.reader]
        if math.isnan(now):
            return 0.0
        if term.on == "value":
            return term.weight * now
        change = 0.0 if math.isnan(before) else now - before
        if (term.on == "increase" and change < 0) or (term.on == "decrease" and change > 0):
            return 0.0
        return term.weight * change

    def _holds(self, rule: Termination) -> bool:
        value = self.values[rule.reader]
        if math.isnan(value):
            return False
        return (rule.above is not None and value >= rule.above) or (rule.below is not None and value <= rule.below)
