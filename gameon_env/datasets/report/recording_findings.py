"""What deserves a warning in one recording."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.report.control_figures import black_spans, idle_spans, standing_spans
from gameon_env.datasets.report.evidence import Evidence
from gameon_env.datasets.report.finding import Finding, Level
from gameon_env.datasets.report.spans import as_spans, common, minus, total

IDLE_S = 10.0
STANDING_S = 10.0
HELD_SHARE, HELD_LEAST_S = 0.95, 10.0
DARKEST, FLATTEST = 10.0, 4.0
"""Of a black picture: video black is 0, and what the codec makes of it stays under these."""

SILENT_DB = -70.0
CLIPPED_SHARE = 0.001
SHORT_SILENCE_S = 1.0
DROPPED_SHARE = 0.01
CLOCK_STEP_S = 0.5
VIDEO_APART_MS = 1.0

CUT_OUT = "Cut it out: gameon sessions redact ID --from TIME --to TIME; or train without it: sessions=[...]"


def recording_findings(recording: Evidence) -> list[Finding]:
    """All warnings, problems first."""
    found = [finding for rule in _RULES for finding in rule(recording)]
    return sorted(found, key=lambda finding: finding.level != "problem")


def _finding(
    recording: Evidence, level: Level, kind: str, what: str, remedy: str, spans: npt.ArrayLike = ()
) -> Finding:
    pairs = as_spans(spans)
    longest = pairs[np.argsort(pairs[:, 0] - pairs[:, 1], kind="stable")]
    return Finding(
        level, kind, recording.game, recording.id, tuple((float(a), float(b)) for a, b in longest), what, remedy
    )


def _unreadable(r: Evidence) -> Iterator[Finding]:
    for fault in r.faults:
        yield _finding(r, "problem", "unreadable", fault, "See what is wrong: gameon sessions verify ID")


def _end(r: Evidence) -> Iterator[Finding]:
    if r.kind != "session":
        return
    missing = "".join(f"; {text}" for text in r.missing)
    if r.status == "recovered":
        what = f"its recorder was cut off ({r.reason or 'killed'}), and the session recovered{missing}"
        yield _finding(r, "notice", "recovered", what, "Look at its end: the last moments may be missing.")
    elif r.missing:
        yield _finding(r, "notice", "missing", f"its recorder says: {'; '.join(r.missing)}", "Mind it when training.")
    if r.reason.startswith(("disk", "display lost", "game crashed")):
        yield _finding(
            r, "notice", "ended early", f"the recording ended by: {r.reason}",
            "Look at its last seconds before training on them.",
            [(max(0.0, r.duration_s - 5), r.duration_s)],
        )  # fmt: skip


def _gaps(r: Evidence) -> Iterator[Finding]:
    by_reason: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for gap in r.gaps:
        by_reason.setdefault((gap.stream, gap.reason), []).append((gap.start_s, gap.end_s))
    for (stream, reason), spans in by_reason.items():
        what = {"all": "nothing", "input": "no input"}.get(stream, f"no {stream.replace('_', ' ')}")
        seconds = total(as_spans(spans))
        if stream.endswith("audio") and seconds < SHORT_SILENCE_S:
            continue  # a device takes a moment to start
        times = f"{len(spans)} time{'s' if len(spans) != 1 else ''}, {seconds:.1f} s in all"
        yield _finding(
            r, "notice", "gap", f"{what} was recorded ({reason}), {times}",
            "Nothing need be done: windows never cross a gap.", spans,
        )  # fmt: skip


def _dropped(r: Evidence) -> Iterator[Finding]:
    shown = len(r.dropped_s) + len(r.frame_s)
    if shown and len(r.dropped_s) > DROPPED_SHARE * shown:
        share = 100 * len(r.dropped_s) / shown
        yield _finding(
            r, "problem", "dropped frames",
            f"{len(r.dropped_s):,} of {shown:,} pictures ({share:.1f} %) were dropped: the "
            "recorder had no time for them",
            "Record with less load: a lower --fps, a smaller window, nothing else running.",
            _clusters(r.dropped_s),
        )  # fmt: skip


def _clusters(t_s: npt.NDArray[np.float64], apart_s: float = 1.0) -> npt.NDArray[np.float64]:
    first = np.append(True, np.diff(t_s) > apart_s)
    return np.stack([t_s[first], t_s[np.append(first[1:], True)]], axis=1)


def _no_input(r: Evidence) -> Iterator[Finding]:
    if not r.faults and not _has_input(r):
        yield _finding(
            r, "problem", "no input", f"no input was recorded in all of its {r.duration_s:.0f} s",
            "If somebody played, the recorder did not hear it: gameon doctor. Train without it: sessions=[...]",
        )  # fmt: skip


def _has_input(r: Evidence) -> bool:
    return len(r.event_s) > 0 or any(len(spans) for spans in r.held.values())


def _idle(r: Evidence) -> Iterator[Finding]:
    if not _has_input(r):
        return  # said already
    spans = minus(idle_spans(r, IDLE_S), standing_spans(r, STANDING_S))
    moving = [(start, end) for start, end in spans if end - start >= IDLE_S and _moves(r, start, end)]
    if moving:
        seconds = total(as_spans(moving))
        yield _finding(
            r, "notice", "idle",
            f"nothing was pressed or moved for {seconds:.0f} s in stretches of {IDLE_S:.0f} s or more, while the "
            f"picture went on ({100 * seconds / max(r.duration_s, 1e-9):.0f} % of it)",
            f"A policy learns to do nothing from it (menus, films, nobody there). {CUT_OUT}", moving,
        )  # fmt: skip


def _moves(r: Evidence, start: float, end: float) -> bool:
    pictures = r.pictures
    inside = (pictures.t_s > start) & (pictures.t_s <= end) if pictures is not None else np.zeros(0, bool)
    if pictures is not None and inside.any():
        return bool(pictures.moved[inside].any())
    return int(((r.frame_s >= start) & (r.frame_s < end)).sum()) > end - start


def _held(r: Evidence) -> Iterator[Finding]:
    if r.played_s < HELD_LEAST_S:
        return
    for name, spans in r.held.items():
        down = common(spans, r.played)
        share = total(down) / r.played_s
        if share > HELD_SHARE:
            yield _finding(
                r, "notice", "always held", f"{name} was down {100 * share:.0f} % of the time",
                "If it hung (lost release, a key held at the start), leave this session out; if it is meant "
                "(always run), take it out of the profile's controls.", down,
            )  # fmt: skip


def _standing(r: Evidence) -> Iterator[Finding]:
    spans = standing_spans(r, STANDING_S)
    if len(spans):
        level: Level = "problem" if total(spans) > 0.5 * r.duration_s else "notice"
        yield _finding(
            r, level, "frozen picture",
            f"the picture stood still for {total(spans):.0f} s in stretches of {STANDING_S:.0f} s or more",
            f"If the game hung, was paused, or the wrong window was recorded: {CUT_OUT[0].lower()}{CUT_OUT[1:]}", spans,
        )  # fmt: skip


def _black(r: Evidence) -> Iterator[Finding]:
    spans = black_spans(r, DARKEST, FLATTEST)
    pictures = r.pictures
    if len(spans) and pictures is not None:
        black = int(((pictures.brightness < DARKEST) & (pictures.contrast < FLATTEST)).sum())
        whole = black == len(pictures.t_s)
        yield _finding(
            r, "problem" if whole else "notice", "black picture",
            f"{black} of {len(pictures.t_s)} pictures that were looked at are black",
            "Record the game's window, not one that the graphics driver hides (try --display private)."
            if whole else f"If it is no loading screen: {CUT_OUT[0].lower()}{CUT_OUT[1:]}", spans,
        )  # fmt: skip


def _sound(r: Evidence) -> Iterator[Finding]:
    for sound in r.sounds:
        if not len(sound.level_db) or float(sound.level_db.max()) < SILENT_DB:
            yield _finding(
                r, "notice", "silent audio",
                f"the {sound.source} sound is silent throughout (never above {SILENT_DB:.0f} dB)",
                "Check the source (gameon doctor), or train without it: include_audio=False",
            )  # fmt: skip
        elif sound.clipped > CLIPPED_SHARE:
            yield _finding(
                r, "notice", "clipped audio",
                f"{100 * sound.clipped:.1f} % of the {sound.source} sound is at full scale",
                "Turn the game's volume down before recording.",
            )  # fmt: skip


def _clock(r: Evidence) -> Iterator[Finding]:
    for clock in r.clocks:
        if clock.jumps:
            worst = max((ms for _, ms in clock.jumps), key=abs)
            times = "once" if len(clock.jumps) == 1 else f"{len(clock.jumps)} times"
            yield _finding(
                r, "notice", "clock step",
                f"the clock of the {clock.source} sound steps {times}, by {worst:+.0f} ms at most: its "
                "device lost or repeated samples", "Nothing need be done: readers follow the steps.",
                [(t, t) for t, _ in clock.jumps],
            )  # fmt: skip
    if r.wall_clock_step_s is not None and abs(r.wall_clock_step_s) > CLOCK_STEP_S:
        yield _finding(
            r, "notice", "clock step",
            f"the wall clock moved {r.wall_clock_step_s:+.1f} s against the recording's own: it was set, or the "
            "machine slept", "Times within the session hold; do not match it with other logs by the wall clock.",
        )  # fmt: skip
    if r.video_apart_ms is not None and len(r.video_apart_ms[0]):
        worst = float(np.abs(r.video_apart_ms[1]).max())
        if worst > VIDEO_APART_MS:
            at = float(r.video_apart_ms[0][np.abs(r.video_apart_ms[1]).argmax()])
            yield _finding(
                r, "problem", "video times", f"the video's times lie up to {worst:.1f} ms from the database's",
                "See what is wrong: gameon sessions verify ID", [(at, at)],
            )  # fmt: skip


_RULES = (_unreadable, _end, _dropped, _black, _standing, _clock, _held, _no_input, _idle, _sound, _gaps)
