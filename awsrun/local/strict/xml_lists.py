"""Lists in XML answers (IAM, S3), with entries taken out or put in."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable

from awsrun.local.calls import Reply

Element = ElementTree.Element


def changed(reply: Reply, part: str, change: Callable[[Element, str], None]) -> Reply:
    """``reply`` after ``change`` had its way with each element ``part``.

    Args:
        change: takes the element and what its children's tags begin with: the namespace in braces.
    """
    root = ElementTree.fromstring(reply.content)
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    for element in list(root.iter(f"{space}{part}")):
        change(element, space)
    content = ElementTree.tostring(root, "utf-8", xml_declaration=True, default_namespace=space[1:-1] or None)
    return Reply(reply.status, reply.headers, content)


def without(reply: Reply, part: str, name: str, hidden: Iterable[str]) -> Reply:
    """``reply`` without those entries of its list ``part`` whose ``name`` is ``hidden``."""
    gone = set(hidden)
    if not gone or reply.status >= 400:
        return reply

    def filtered(listed: Element, space: str) -> None:
        for entry in list(listed):
            if entry.findtext(f"{space}{name}") in gone:
                listed.remove(entry)

    return changed(reply, part, filtered)
