"""Policy variables: ``${aws:username}`` stands for what the call says
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html)."""

from __future__ import annotations

import re

from awsrun.local.iam.context import Context, Values

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_LITERAL = {"*": "*", "?": "?", "$": "$"}


class Variables:
    """Fills in variables for one call.

    Args:
        enabled: False for policies of version 2008-10-17, which know none.
    """

    def __init__(self, context: Context, enabled: bool = True) -> None:
        self._context, self._enabled = context, enabled

    def fill(self, texts: Values) -> Values:
        """``texts`` with their variables filled in; those with a variable that has no single value are left out."""
        if not self._enabled or not any("${" in text for text in texts):
            return texts
        filled = (self._one(text) for text in texts)
        return tuple(text for text in filled if text is not None)

    def _one(self, text: str) -> str | None:
        found = []
        last = 0
        for match in _VARIABLE.finditer(text):
            name, _, default = (part.strip() for part in match[1].partition(","))
            values = (_LITERAL[name],) if name in _LITERAL else self._context.get(name)
            if not values and default:
                values = (default.strip("'"),)
            if len(values) != 1:
                return None
            found += [text[last : match.start()], values[0]]
            last = match.end()
        return "".join([*found, text[last:]])
