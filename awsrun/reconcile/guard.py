"""What apply refuses as a whole, before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable

from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.graph import Graph, group_of
from awsrun.reconcile.plan import Planned


def keep_protected(planned: Iterable[Planned]) -> None:
    """Refuse to replace or delete what is protected.

    Raises:
        AwsrunError: all that is protected and in the way is named.
    """
    guarded = [change for change in planned if change.protected]
    if not guarded:
        return
    names = list(dict.fromkeys(group_of(one.name) for one in guarded))
    raise AwsrunError(
        f"nothing was changed: {', '.join(names)} {'is' if len(names) == 1 else 'are'} protected",
        "\n".join(f"{one.name} would be {one.action}d: {one.why}" for one in guarded),
        "leave it as it is; or take its `protect: true` out of the spec and apply that first, then this",
    )


def keep_users(graph: Graph, planned: Iterable[Planned]) -> None:
    """Refuse to replace what something that is left out uses: users are pointed at the new one before the old one goes.

    Raises:
        AwsrunError: the users are named.
    """
    for change in planned:
        users = sorted({group_of(name) for name, node in graph.left_out.items() if change.name in node.after})
        if change.action == "replace" and users:
            raise AwsrunError(
                f"nothing was changed: {change.name} would be replaced, and {', '.join(users)} left with the old one",
                change.why,
                f"add {' '.join(f'--only {name}' for name in users)}",
            )
