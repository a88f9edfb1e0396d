"""Shows a plan: what would be created, updated, replaced and deleted, and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from awsrun.reconcile.bill import Bill
    from awsrun.reconcile.plan import Plan, Planned

_SIGNS = {
    "create": ("  +", "green"),
    "update": ("  ~", "yellow"),
    "replace": ("-/+", "magenta"),
    "delete": ("  -", "red"),
}
_ALWAYS = ("create", "update")  # said in the summary even where there is none
_WIDEST = 100  # a policy is longer than any line


def show_changes(plan: Plan, out: Callable[[str], Any], details: bool = False) -> None:
    """Print ``plan`` line by line with ``out``.

    Args:
        details: also what is set of each new resource.
    """
    changes = list(plan.changes)
    if not changes:
        out(f"stack {plan.stack}: no change")
        _show_notes(plan, out)
        _show_left_out(plan, out)
        return
    out(f"stack {plan.stack}:")
    for name, (old, new) in plan.variables.items():
        out(f"    variable {name}: {text(old)} → {text(new)} since the last apply")
    width = max(len(change.name) for change in changes)
    kinds = max(len(change.kind) for change in changes)
    for change in changes:
        _show(change, out, width, kinds, details)
        if plan.bill and change.action != "delete":
            _show_price(plan.bill, change.name, out)
    where = "" if plan.bill is None or plan.bill.billed else " on AWS"
    usually = f"; usually {minutes(plan.usual)}{where}" if plan.usual else ""
    out(summary(change.action for change in changes) + usually)
    _show_left_out(plan, out)
    if plan.bill:
        show_cost(plan.bill, out)
    _show_notes(plan, out)
    for finding in plan.findings:
        out(click.style(f"warning: {finding.what}", fg="yellow"))
        for line in filter(None, (finding.why, finding.hint and f"→ {finding.hint}")):
            out(f"    {line}")


def _show_left_out(plan: Plan, out: Callable[[str], Any]) -> None:
    if plan.left_out:
        out(f"left as they are: {', '.join(plan.left_out)}")


def _show_notes(plan: Plan, out: Callable[[str], Any]) -> None:
    for name, note in plan.notes.items():
        out(click.style(f"note: {name}: {note}", fg="yellow"))


def summary(actions: Iterable[str]) -> str:
    """``14 to create, 0 to change``, and what is replaced and deleted where there is any."""
    counts = Counter(actions)
    words = {"create": "to create", "update": "to change", "replace": "to replace", "delete": "to delete"}
    return ", ".join(f"{counts[key]} {word}" for key, word in words.items() if counts[key] or key in _ALWAYS)


def show_cost(bill: Bill, out: Callable[[str], Any]) -> None:
    """What a stack costs per hour, now where that was looked at, idle and at full use; and whose figures these are."""
    from awsrun.prices.price import dollars

    idle_unknown = any(price.idle is None for price in bill.prices.values())
    idle = f"idle {dollars(bill.idle)}/h" if bill.idle or idle_unknown else "nothing here costs while idle"
    parts = [idle + (" (apart from what is stored)" if bill.metered else "")]
    if bill.full > bill.idle:
        parts.append(f"at full use up to {dollars(bill.full)}/h")
    if bill.billed and bill.now is not None and bill.now > bill.idle:
        parts.insert(0, f"now {dollars(bill.now)}/h")
    out(f"{'' if bill.billed else 'free here; on AWS: '}{', '.join(parts)}")
    if bill.unknown:
        out(click.style(f"not counted, as the price is not known: {', '.join(bill.unknown)}", fg="yellow"))
    if bill.prices:
        out(click.style(f"by {bill.source}", dim=True))


def minutes(seconds: float) -> str:
    """``3 min``, ``under a minute``."""
    return f"{round(seconds / 60)} min" if seconds >= 50 else "under a minute"


def _show_price(bill: Bill, name: str, out: Callable[[str], Any]) -> None:
    price = bill.prices.get(name)
    if price is not None and not price.free:
        out(click.style(f"        {price.hourly}", dim=True))


def _show(change: Planned, out: Callable[[str], Any], width: int, kinds: int, details: bool) -> None:
    from awsrun.resources.kind import Parts

    sign, colour = _SIGNS[change.action]
    why = f"  {change.why}" if change.why else ""
    out(f"{click.style(sign, fg=colour, bold=True)} {change.name:<{width}}  {change.kind:<{kinds}}{why}".rstrip())
    if change.renamed:
        out(f"        renamed? {change.renamed!r}, which would be deleted, looks just like it")
    for field in change.fields:
        if isinstance(field.new, Parts):
            out(f"        {field.field}: {field.new.against(field.old)}")
        elif change.action == "create":
            if details:
                out(f"        {field.field}: {text(field.new)}")
        else:
            must = click.style("  (cannot change in place)", fg="magenta") if field.replace else ""
            out(f"        {field.field}: {text(field.old)} → {text(field.new)}{must}")
    if change.refused:
        out(click.style(f"        apply will refuse: {change.refused}", fg="red"))


def text(value: Any) -> str:
    """A value in one line, shortened."""
    from awsrun.reconcile.plain import plain

    value = plain(value)
    if value is None:
        return "none"
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return said if len(said) <= _WIDEST else f"{said[: _WIDEST - 1]}…"
