"""What the settings name and other files hold: the safety rules, and the tools."""

from __future__ import annotations

import pkgutil
from pathlib import Path

from edgevoice.clock import wall_clock
from edgevoice.dialog.safety import Safety
from edgevoice.errors import ConfigError
from edgevoice.pipeline.toolbox import Toolbox
from edgevoice.settings import SafetySettings, Settings
from edgevoice.tools.declare import builtin, declared


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


def toolbox_of(settings: Settings) -> Toolbox | None:
    """The tools that the settings name; ``None`` for none.  ``ConfigError`` with everything that is wrong with their declarations."""
    named = settings.tools
    found = list(builtin(named.builtin))
    if named.file:
        try:
            text = Path(named.file).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            wrong = getattr(error, "strerror", None) or "is not UTF-8 text"
            raise ConfigError(f"tools.file = {named.file!r}: {wrong}; it names a TOML file in which tools are declared") from error
        found += declared(named.file, text, named.topics)
    twice = [tool.name for tool in found if sum(other.name == tool.name for other in found) > 1]
    if twice:
        raise ConfigError(f"{named.file}: [{twice[0]}]: is built in as well; give it another name")
    asking = next((tool.name for tool in found if tool.confirm), "")
    if asking and not (settings.skills.enabled and settings.dialog.followup_s > 0):
        raise ConfigError(f"{named.file}: [{asking}]: asks before it is done, and nobody could answer: set skills.enabled = true and "
                          "dialog.followup_s to some seconds")
    return Toolbox(found, named.topics, named.rounds, wall_clock(settings.skills.timezone)) if found else None
