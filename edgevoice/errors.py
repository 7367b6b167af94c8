"""What can go wrong, one class for each different thing a caller would do about it.

Laws: every error a person can cause is an ``EdgeVoiceError``; its text is one line that names the thing (file, key, device,
model), the value, and what would be right; its ``exit_code`` is documented in README.md and never reused.  A traceback that
reaches the terminal is a bug.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_WARNING = 11
"""``doctor`` found something that works less well"""
EXIT_PROBLEM = 12
"""``doctor`` found something that does not work"""
EXIT_RESTART = 75
"""BSD's EX_TEMPFAIL: it ended in order and wants to be started again, as whoever asked for a restart meant"""
EXIT_INTERRUPTED = 130
"""128 + SIGINT, as a shell reports it"""
EXIT_PIPE = 141
"""128 + SIGPIPE: whoever read our output has gone"""


class EdgeVoiceError(Exception):
    """Base of all expected errors; never raised itself."""

    exit_code = EXIT_BUG


class UsageError(EdgeVoiceError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = EXIT_USAGE


class ConfigError(EdgeVoiceError):
    """A configuration file is wrong; ``problems`` holds one line for each mistake found."""

    exit_code = 3

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems or (message,)


class ModelError(EdgeVoiceError):
    """A model is missing, corrupt, refused by its engine, or cannot be installed."""

    exit_code = 4


class AudioFileError(EdgeVoiceError):
    """An audio file is absent, empty, truncated, or not audio."""

    exit_code = 5


class DeviceError(EdgeVoiceError):
    """A sound device is absent, busy, gone, or cannot do what was asked."""

    exit_code = 6


class EngineError(EdgeVoiceError):
    """An engine's package is missing, or the engine failed while it worked."""

    exit_code = 7


class StorageError(EdgeVoiceError):
    """The disk is full or a path cannot be written; nothing half-written is left."""

    exit_code = 8


class BrokerError(EdgeVoiceError):
    """An MQTT broker cannot be reached, or a device did not do what it was told."""

    exit_code = 10


class UpdateError(EdgeVoiceError):
    """An update is refused: damaged, not signed by a known key, older than what runs, not for this device, or it failed its trial."""

    exit_code = 13


class SourceError(EdgeVoiceError):
    """A model source (package index, URL, folder) did not deliver."""

    exit_code = 9
