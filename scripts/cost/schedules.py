"""What a stage's traffic follows from, as its templates have it: schedules as EventBridge writes them, and vendors."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.cost.charges import Unpriced
from scripts.cost.templates import Resource, Resources

_MINUTES = {"minute": 1, "hour": 60, "day": 24 * 60}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")


def times_an_hour(expression: str) -> float:
    """Of ``rate(…)``, and of a ``cron(…)`` that names minutes and hours of every day. Raises Unpriced for another."""
    if rate := _RATE.fullmatch(expression):
        return 60 / (int(rate[1]) * _MINUTES[rate[2]])
    minutes, hours, *days = expression.removeprefix("cron(").removesuffix(")").split()
    if days not in (["*", "*", "?", "*"], ["?", "*", "*", "*"]):
        raise Unpriced(f"no telling how often {expression} is: scripts/cost/schedules.py knows those of every day")
    return _times(minutes, 60) * _times(hours, 24) / 24


def _times(field: str, all_of_them: int) -> int:
    """In how many of the minutes of an hour, or hours of a day."""
    return len({moment for part in field.split(",") for moment in _moments(part, all_of_them)})


def _moments(part: str, all_of_them: int) -> range:
    span, _, step = part.partition("/")
    first, _, last = span.partition("-")
    start = 0 if first == "*" else int(first)
    # "5/10" is from the fifth on; "5" alone is that one.
    end = int(last) if last else all_of_them - 1 if first == "*" or step else start
    return range(start, end + 1, int(step or 1))


def polls_an_hour(resources: Resources) -> float:
    """Of each list: how often the dispatcher is called."""
    return sum(times_an_hour(it.text("ScheduleExpression")) for it in _schedules(resources, "poll"))


def batches_an_hour(resources: Resources) -> float:
    """How often the function etl is called; 1 where there is none."""
    return sum(times_an_hour(it.text("ScheduleExpression")) for it in _schedules(resources, "etl")) or 1.0


def audited_days(resources: Resources) -> float:
    """Into how many audits each raw object comes."""
    days = resources.variables("AUDIT_DAYS")
    audits = sum(times_an_hour(it.text("ScheduleExpression")) for it in _schedules(resources, "audit"))
    return max(map(float, days), default=0.0) * audits * 24


def watch_passes_an_hour(resources: Resources) -> float:
    """Of the function watch; 12 where there is none."""
    return sum(times_an_hour(it.text("ScheduleExpression")) for it in _schedules(resources, "watch")) or 12.0


def watch_cycle_hours(resources: Resources) -> float:
    """In which it goes through each hotel's raw objects once; 2 where there is none."""
    return max(map(float, resources.variables("RAW_CYCLE_MINUTES")), default=0.0) / 60 or 2.0


def vendors(resources: Resources) -> int:
    """As many as there are paths for their hotels' deliveries; 1 where there is no API."""
    return sum(it.text("PathPart") == "{propertyId}" for it in resources.of("AWS::ApiGateway::Resource")) or 1


def _schedules(resources: Resources, name: str) -> Iterator[Resource]:
    return (it for it in resources.of("AWS::Scheduler::Schedule") if it.text("Name").endswith(f"-{name}"))
