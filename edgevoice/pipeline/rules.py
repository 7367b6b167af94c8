"""The safety rules that the settings name."""

from __future__ import annotations

import pkgutil

from edgevoice.dialog.safety import Safety
from edgevoice.errors import ConfigError
from edgevoice.settings import SafetySettings


def safety_of(settings: SafetySettings) -> Safety:
    """The rules of ``settings``; ``ConfigError`` names the pattern or hook that is none."""
    try:
        hook = None if not settings.hook else pkgutil.resolve_name(settings.hook)
    except (ValueError, ImportError, AttributeError) as error:
        raise ConfigError(f"safety.hook = {settings.hook!r}: {error}; it names a function as \"package.module:name\"") from error
    if hook is not None and not callable(hook):
        raise ConfigError(f"safety.hook = {settings.hook!r} is {type(hook).__name__}; it names a function as \"package.module:name\"")
    try:
        return Safety(settings.words, settings.patterns, hook, settings.substitute)
    except ValueError as error:
        raise ConfigError(f"safety.patterns: {error}") from error
