"""Finding recordings: in the catalogue, in a session's folder, in trajectory files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gameon_env.data_processing.trajectory import SUFFIXES_READ, Episode, find_files, load_episodes
from gameon_env.datasets.episode_recording import EpisodeRecording
from gameon_env.datasets.recording import RecordedSteps, Recording
from gameon_env.datasets.remote_file import local_copy
from gameon_env.datasets.session_checks import reading
from gameon_env.datasets.session_recording import SessionRecording
from gameon_env.errors import DatasetError, GameOnError, SessionError, TrajectoryError, UnknownNameError, suggest
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.catalogue_rows import SessionEntry
from gameon_env.recording.model import DATABASE_FILE
from gameon_env.recording.session_folder import CATALOGUE_FILE, SESSIONS

__all__ = ["EpisodeRecording", "Found", "RecordedSteps", "Recording", "SessionRecording", "find", "find_recordings"]

HOW_TO_RECORD = "Record some first: gameon record --game GAME"


@dataclass(frozen=True, slots=True)
class Found:
    """Recordings that can be used, oldest first, and why others cannot: ``left_out`` by id or folder."""

    recordings: list[Recording]
    left_out: dict[str, str] = field(default_factory=dict)


def find_recordings(
    source: str | Path = "data/gameon.db", *, game_name: str | None = None, sessions: Sequence[str] | None = None
) -> list[Recording]:
    """All recordings in ``source`` that can be used; see :func:`find` for what it takes and raises."""
    return find(source, game_name=game_name, sessions=sessions).recordings


def find(
    source: str | Path = "data/gameon.db", *, game_name: str | None = None, sessions: Sequence[str] | None = None
) -> Found:
    """All recordings in ``source``, and those that were left out.

    Args:
        source: ``gameon.db`` or its folder, a session's folder, a trajectory file (``.hdf5``, ``.h5``, ``.npz``), or
            a folder of sessions or trajectory files. A single trajectory file may be a URL (``s3://...``): see
            :func:`gameon_env.datasets.remote_file.local_copy`.
        game_name: only of this game; upper and lower case are the same.
        sessions: only these: ids, beginnings of ids, names of folders. What is wrong with one of these is an error.

    Raises:
        DatasetError: there are none, or none that can be used.
        UnknownNameError: there is no such game or session; the message suggests the nearest.
        SessionError, VideoError, TrajectoryError: a recording that was asked for by name cannot be used.
    """
    source = local_copy(source).expanduser()
    if source.is_dir() and (source / CATALOGUE_FILE).is_file():
        source = source / CATALOGUE_FILE
    if source.suffix in SUFFIXES_READ:
        return _episodes(source, game_name, sessions)
    if source.name == DATABASE_FILE or (source / DATABASE_FILE).is_file():
        folder = source.parent if source.name == DATABASE_FILE else source
        return _sessions([_Candidate.of(folder)], source, game_name, sessions, named=True)
    if source.is_dir():
        folders = sorted(path.parent for path in source.glob(f"*/{DATABASE_FILE}"))
        if folders:
            oldest_first = sorted(map(_Candidate.of, folders), key=lambda candidate: candidate.started_at)
            return _sessions(oldest_first, source, game_name, sessions, named=False)
        if not any(path.suffix in SUFFIXES_READ for path in source.rglob("*")):
            raise DatasetError(
                f"{source} holds no {CATALOGUE_FILE}, no session and no trajectory file "
                f"({', '.join(SUFFIXES_READ)}). {_how_to_go_on(source)}"
            )
        return _episodes(source, game_name, sessions)
    if source.exists() or source.suffix == ".db":
        return _catalogued(source, game_name, sessions)
    raise DatasetError(
        f"{source} does not exist: expected gameon.db or its folder, a session's folder, or a trajectory file "
        f"({', '.join(SUFFIXES_READ)}). {HOW_TO_RECORD}"
    )


def _how_to_go_on(data_dir: Path) -> str:
    """Where there is no catalogue: sessions may be there all the same."""
    count = sum(1 for _ in data_dir.glob(f"{SESSIONS}/*/{DATABASE_FILE}"))
    if not count:
        return HOW_TO_RECORD
    return (
        f"Sessions are in {data_dir / SESSIONS} ({count}). List them: gameon sessions reindex --data-dir '{data_dir}'"
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A session before it is opened; ``fault``: why it need not be."""

    id: str
    folder: Path
    game: str | None
    fault: str = ""
    started_at: str = ""

    @classmethod
    def of(cls, folder: Path) -> _Candidate:
        try:
            with reading(folder) as session:
                info = session.info
            return cls(str(info.id), folder, str(info.game), started_at=str(info.started_at))
        except GameOnError as error:
            return cls(folder.name, folder, None, str(error))

    @classmethod
    def listed(cls, entry: SessionEntry) -> _Candidate:
        fault = "" if entry.present else f"{entry.folder} is not there any more: gameon sessions reindex"
        return cls(entry.id, entry.folder, entry.game, fault)


def _catalogued(database: Path, game_name: str | None, sessions: Sequence[str] | None) -> Found:
    if not database.is_file():
        raise DatasetError(
            f"{database} does not exist: there is no catalogue of sessions. {_how_to_go_on(database.parent)}, or say "
            "where one is (db_path, --data-dir)"
        )
    if database.name != CATALOGUE_FILE:
        raise DatasetError(
            f"{database} is no catalogue of ours, which is called {CATALOGUE_FILE}; expected that, a session's folder, "
            f"or a trajectory file ({', '.join(SUFFIXES_READ)})"
        )
    with Catalogue(database.parent, create=False) as catalogue:
        entries = catalogue.sessions()
    if not entries:
        raise DatasetError(f"{database} lists no session. {HOW_TO_RECORD}")
    return _sessions([_Candidate.listed(entry) for entry in entries], database, game_name, sessions, named=False)


def _sessions(
    candidates: list[_Candidate],
    source: Path,
    game_name: str | None,
    sessions: Sequence[str] | None,
    *,
    named: bool,
) -> Found:
    chosen = _named(candidates, sessions, source)
    named = named or sessions is not None
    if game_name is not None:
        known = [candidate for candidate in chosen if candidate.game is not None]
        if known and not any(_same(candidate.game, game_name) for candidate in known):
            raise _unknown_game(game_name, {str(candidate.game) for candidate in known}, source)
        chosen = [c for c in chosen if c.game is None or _same(c.game, game_name)]
    found = Found([])
    others: set[str] = set()
    for candidate in chosen:
        try:
            if candidate.fault:
                raise SessionError(candidate.fault)
            recording = SessionRecording(candidate.folder)
        except GameOnError as error:
            if named:
                raise
            found.left_out[candidate.id] = str(error)
        else:
            if game_name is None or _same(recording.game, game_name):
                found.recordings.append(recording)
            else:
                others.add(recording.game)
    return _some(found, source, game_name, others)


def _named(candidates: list[_Candidate], sessions: Sequence[str] | None, source: Path) -> list[_Candidate]:
    """Those that ``sessions`` names, in the order of the catalogue."""
    if sessions is None:
        return candidates
    wanted: set[int] = set()
    for name in sessions:
        folder = Path(name).absolute()
        exact = [i for i, c in enumerate(candidates) if name in (c.id, c.folder.name) or folder == c.folder.absolute()]
        found = exact or [
            i for i, c in enumerate(candidates) if c.id.startswith(name) or c.folder.name.startswith(name)
        ]
        if not found:
            near = suggest(name, [c.folder.name for c in candidates] + [c.id for c in candidates])
            raise UnknownNameError(f"there is no session {name!r} in {source}.{near} See: gameon sessions list")
        wanted |= set(found)
    return [candidates[i] for i in sorted(wanted)]


def _episodes(source: Path, game_name: str | None, sessions: Sequence[str] | None) -> Found:
    found = Found([])
    numbers: dict[Path, int] = {}
    candidates = []
    others: set[str] = set()
    for episode in _readable(source, sessions, found):
        numbers[episode.path] = number = numbers.get(episode.path, -1) + 1
        name = episode.path.relative_to(source).as_posix() if source.is_dir() else episode.path.name
        try:
            recording = EpisodeRecording(episode, number, f"{name}:{number}")
        except TrajectoryError as error:
            if sessions is not None or source.is_file():
                raise
            found.left_out[f"{name}:{number}"] = str(error)
            continue
        if game_name is None or _same(recording.game, game_name):
            candidates.append(recording)
        else:
            others.add(recording.game)
    found.recordings.extend(_named_episodes(candidates, sessions, source))
    return _some(found, source, game_name, others)


def _readable(source: Path, sessions: Sequence[str] | None, found: Found) -> list[Episode]:
    """The episodes of all files; of a folder, those that are damaged are left out, unless they are asked for."""
    if source.is_file():
        return load_episodes(source)
    episodes: list[Episode] = []
    for file in find_files([source]):
        name = file.relative_to(source).as_posix()
        try:
            episodes += load_episodes(file)
        except TrajectoryError as error:
            if any(name.startswith(wanted) or wanted.startswith(name) for wanted in sessions or ()):
                raise
            found.left_out[name] = str(error)
    return episodes


def _named_episodes(
    candidates: list[EpisodeRecording], sessions: Sequence[str] | None, source: Path
) -> Iterable[EpisodeRecording]:
    if sessions is None:
        return candidates
    wanted: set[int] = set()
    for name in sessions:
        named = [i for i, r in enumerate(candidates) if name in (r.id, r.group, r.path.name)]
        named = named or [i for i, r in enumerate(candidates) if r.id.startswith(name) or r.group.startswith(name)]
        if not named:
            near = suggest(name, [recording.id for recording in candidates])
            raise UnknownNameError(f"there is no episode {name!r} in {source}.{near}")
        wanted |= set(named)
    return [candidates[i] for i in sorted(wanted)]


def _some(found: Found, source: Path, game_name: str | None, others: set[str]) -> Found:
    if found.recordings:
        return found
    if found.left_out:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(found.left_out.items())[:5])
        raise DatasetError(f"none of the {len(found.left_out)} recordings in {source} can be used. {reasons}")
    if game_name is not None:
        raise _unknown_game(game_name, others, source)
    raise DatasetError(f"{source} holds no finished recording. {HOW_TO_RECORD}")


def _same(game: str | None, name: str) -> bool:
    return game is not None and game.casefold() == name.casefold()


def _unknown_game(name: str, games: set[str], source: Path) -> UnknownNameError:
    by_folded = {game.casefold(): game for game in games}
    near = suggest(name.casefold(), by_folded)
    for folded, game in by_folded.items():
        near = near.replace(repr(folded), repr(game))
    listed = ", ".join(sorted(games)) or "none"
    return UnknownNameError(f"{source} has no recording of the game {name!r}.{near} There are: {listed}")
