"""Context keys: what conditions ask about a call.  Some cost a look at the cloud, so they are found when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Values = tuple[str, ...]
Given = Values | Callable[[], Values]
"""A key's values, or a function that finds them; no values means that the key is not there."""
Finder = Callable[[str], Values]


class Context:
    """The keys of one authorization.  Names do not depend on upper and lower case.

    Args:
        keys: known names.
        prefixes: ``aws:resourcetag/`` -> finds the values of what follows.
    """

    def __init__(self, keys: Mapping[str, Given], prefixes: Mapping[str, Finder] | None = None) -> None:
        self._keys = {name.lower(): values for name, values in keys.items()}
        self._prefixes = prefixes or {}

    def get(self, name: str) -> Values:
        """The key's values, empty where it is not there."""
        lower = name.lower()
        found = self._keys.get(lower)
        if found is None:
            prefix, slash, rest = name.partition("/")
            finder = self._prefixes.get(prefix.lower() + slash)
            found = finder(rest) if finder and slash else ()
        values = found() if callable(found) else found
        self._keys[lower] = values
        return values
