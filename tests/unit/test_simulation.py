"""The simulation, held to what can be reckoned, to what was measured, and docs/scale.md to it."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
import simpy
from click.testing import Result
from typer.testing import CliRunner

from scripts.local.environment import ROOT
from scripts.simulation.__main__ import cli
from scripts.simulation.demands import (
    auditors,
    dispatching,
    events_a_second,
    events_sent_a_second,
    night_audit_a_second,
    pollers,
    querying,
    walking,
    watching,
)
from scripts.simulation.limits import LIMITS, Limit
from scripts.simulation.page import page
from scripts.simulation.pipeline import TRIES, Seen, run
from scripts.simulation.scenarios import ADVISED, TURNED, burst
from scripts.simulation.settings import SIGMA, Settings, apply_seconds, poll_seconds, webhook_seconds
from scripts.simulation.stations import Door, Process, Station, Workers, exponential, lognormal
from scripts.simulation.traffic import BURSTS, PEAK, deliveries_a_second
from scripts.simulators.hostpms.deliveries import Courier

SEED = 7
LIMIT = {limit.what: limit for limit in LIMITS}


# -- what can be reckoned ------------------------------------------------------------------------------


def erlang_wait(servers: int, load: float, service: float) -> float:
    """The mean wait in the queue M/M/c, in seconds (Erlang's C). ``load``: arrivals a second times ``service``."""
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    waits = last / (sum(load**k / math.factorial(k) for k in range(servers)) + last)
    return waits * service / (servers - load)


def queues(servers: int, use: float, runs: int = 12, customers: int = 1_500) -> list[tuple[Station, float]]:
    return [_queue(servers, use, customers, SEED + number) for number in range(runs)]


def _queue(servers: int, use: float, customers: int, seed: int) -> tuple[Station, float]:
    random, env = np.random.default_rng(seed), simpy.Environment()
    station, pause = Station(env, servers, exponential(random, 1.0)), exponential(random, 1 / (use * servers))

    def come() -> Process:
        for _ in range(customers):
            yield env.timeout(pause())
            env.process(station.serve())

    env.process(come())
    env.run()
    return station, env.now


@pytest.mark.parametrize(("servers", "use"), [(1, 0.5), (3, 0.7), (10, 0.8)])
def test_waits_are_those_of_erlang_s_formula(servers: int, use: float) -> None:
    means = np.array([np.mean(station.waits) for station, _ in queues(servers, use)])

    # Runs are independent, so that their means are spread as Student's t has it: 3.1 for 99 of 100 with twelve.
    error = 3.1 * means.std(ddof=1) / math.sqrt(len(means))
    assert abs(means.mean() - erlang_wait(servers, use * servers, 1.0)) < error
    assert error < 0.5 * means.mean(), "an interval so wide would hold anything"


def test_a_formula_for_other_servers_does_not_fit() -> None:
    means = np.array([np.mean(station.waits) for station, _ in queues(3, 0.7)])

    error = 3.1 * means.std(ddof=1) / math.sqrt(len(means))
    assert abs(means.mean() - erlang_wait(2, 1.4, 1.0)) > error


def test_as_many_are_present_as_come_times_how_long_they_stay() -> None:
    """Little's law, of a run that begins and ends empty: exact."""
    random, env = np.random.default_rng(SEED), simpy.Environment()
    station, stays = Station(env, 2, exponential(random, 1.0)), list[float]()
    present, changed, area = 0, 0.0, 0.0

    def change(by: int) -> None:
        nonlocal present, changed, area
        area, present, changed = area + present * (env.now - changed), present + by, env.now

    def customer() -> Process:
        came = env.now
        change(1)
        yield from station.serve()
        change(-1)
        stays.append(env.now - came)

    def come() -> Process:
        for _ in range(2_000):
            yield env.timeout(float(random.exponential(0.7)))
            env.process(customer())

    env.process(come())
    env.run()

    arrivals_a_second, mean_present = len(stays) / env.now, area / env.now
    assert mean_present == pytest.approx(arrivals_a_second * np.mean(stays))
    assert station.present == pytest.approx(sum(stays))


def test_the_door_lets_a_burst_in_and_then_its_rate() -> None:
    env = simpy.Environment()
    door, let_in = Door(env, rate=10, burst=20), list[int]()

    def knock() -> Process:
        for _ in range(3):
            let_in.append(sum(door.lets_in() for _ in range(100)))
            yield env.timeout(1)

    env.process(knock())
    env.run()
    assert let_in == [20, 10, 10]


def test_a_worker_is_started_cold_only_where_none_is_idle() -> None:
    env = simpy.Environment()
    workers = Workers(env, limit=2, service=lambda: 1.0, init=5.0)
    ended = list[float]()

    def call() -> Process:
        yield from workers.call()
        ended.append(env.now)

    def calls() -> Process:
        for pause in (0, 0, 10):
            yield env.timeout(pause)
            assert workers.has_room
            env.process(call())
            yield env.timeout(0)
            if pause == 0 and len(ended) == 0 and workers.cold == 2:
                assert not workers.has_room

    env.process(calls())
    env.run()
    assert ended == [6, 6, 11]
    assert (workers.cold, workers.most) == (2, 2)


def test_service_times_have_the_median_that_is_asked_for() -> None:
    draw = lognormal(np.random.default_rng(SEED), 0.05, SIGMA)
    times = [draw() for _ in range(20_000)]

    assert np.median(times) == pytest.approx(0.05, rel=0.02)
    assert np.percentile(times, 99) / np.median(times) == pytest.approx(math.exp(2.326 * SIGMA), rel=0.05)


# -- what was measured ---------------------------------------------------------------------------------

ANSWERED = 0.013
"""Seconds: the median of a thousand webhooks in a minute on the embedded AWS (docs/reliability.md)."""
CORES = 2


def on_the_embedded_aws(arrivals: list[float]) -> list[float]:
    """When each was answered, were all of an answer's time work for the machine's two cores."""
    env, answered = simpy.Environment(), list[float]()
    station = Station(env, CORES, lognormal(np.random.default_rng(SEED), ANSWERED, SIGMA))

    def deliver(at: float) -> Process:
        yield env.timeout(at)
        yield from station.serve()
        answered.append(env.now - at)

    for at in arrivals:
        env.process(deliver(at))
    env.run()
    return answered


def told(text: str) -> list[float]:
    """The numbers in the line of docs/reliability.md's loads that begins so."""
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {text} |"))
    return [float(number) for number in re.findall(r"\d+\.\d+", line)]


def test_a_thousand_webhooks_in_a_minute_are_answered_as_was_measured() -> None:
    median, p99, _ = told("a thousand in a minute")
    assert median == ANSWERED

    answers = on_the_embedded_aws([number / 18 for number in range(1_000)])

    assert np.median(answers) == pytest.approx(median, rel=0.1)
    assert np.percentile(answers, 99) == pytest.approx(p99, rel=0.2)


def test_a_hundred_at_once_are_answered_as_was_measured() -> None:
    """Of which the model knows nothing but how long one takes, and that there are two cores."""
    last, _ = told("a hundred webhooks at once, warm")

    answers = on_the_embedded_aws([0.0] * 100)

    assert max(answers) == pytest.approx(last, rel=0.34)


# -- the pipeline --------------------------------------------------------------------------------------


def steadily(a_second: float, seconds: float) -> np.ndarray:
    return np.arange(0, seconds, 1 / a_second)


def test_every_delivery_becomes_a_row_or_is_turned_away_as_often_as_the_vendor_tries() -> None:
    seen = run(steadily(50, 20), Settings(requests_per_second=20, burst=20), SEED)

    assert len(seen.lags) == len(seen.answers) == 1_000 - seen.given_up
    assert 0 < seen.given_up < 1_000
    assert TRIES * seen.given_up <= seen.turned_away < TRIES * 1_000
    # The last try is 5, 10 and 20 seconds after those before it, more or less.
    assert seen.ended < 20 + 2 * (5 + 10 + 20)


def test_a_vendor_in_the_simulation_tries_as_often_as_the_simulated_vendor() -> None:
    assert Courier().attempts == TRIES


def test_what_is_let_in_at_a_later_try_is_a_row_as_well() -> None:
    seen = run(steadily(30, 10), Settings(requests_per_second=20, burst=20), SEED)

    assert seen.turned_away > 0
    assert seen.given_up == 0
    assert len(seen.lags) == 300


def test_workers_that_are_too_few_let_the_queue_grow_by_what_they_lack() -> None:
    capacity = 10 / apply_seconds(10)

    def at(use: float) -> Seen:
        wide = Settings(requests_per_second=10_000, burst=10_000, live_concurrency=1)
        return run(steadily(use * capacity, 30), wide, SEED)

    assert at(0.6).most_waiting < 50
    assert at(1.5).most_waiting == pytest.approx(0.5 * capacity * 30, rel=0.2)


def test_a_run_is_repeated_by_its_seed() -> None:
    first, again, other = (burst("the busiest hour", 1_000, Settings(), seed) for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_a_part_waits_no_less_than_the_whole() -> None:
    """Why one hotel in five may stand for all: what is told then is too long, if anything."""
    tight = Settings(requests_per_second=5_000, burst=5_000, live_concurrency=5, polling_concurrency=5)

    whole, part = (burst("the night audit", 2_000, tight, SEED, part) for part in (1, 5))

    assert part.lag_p99 >= whole.lag_p99 * 0.95
    assert part.deliveries == pytest.approx(whole.deliveries, rel=0.05)


def test_a_part_has_its_part_of_every_limit() -> None:
    whole = Settings(
        requests_per_second=100, burst=200, functions=1_000, live_concurrency=10, polling_concurrency=20, live_batch=7
    )

    assert whole.part(5) == Settings(
        requests_per_second=20, burst=40, functions=200, live_concurrency=2, polling_concurrency=4, live_batch=7
    )


def test_what_cannot_be_divided_is_refused() -> None:
    with pytest.raises(ValueError, match="7 workers cannot be divided by 2"):
        Settings(live_concurrency=7).part(2)


# -- the arithmetic ------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.what)
def test_a_limit_is_enough_for_as_many_hotels_as_it_says(limit: Limit) -> None:
    hotels = limit.enough_for()

    assert limit.use(hotels) <= 1 < limit.use(hotels + max(1, hotels // 1000))


def test_the_advised_settings_have_room_in_every_burst() -> None:
    for _, what, to in ADVISED:
        assert LIMIT[what].demand(10_000) < 0.75 * to
    assert watching(10_000, every_minutes=10) < 0.75 * 540
    for hotels, settings in TURNED.items():
        assert LIMIT["deliveries let in"].demand(hotels) < 0.75 * settings.requests_per_second
        assert LIMIT["polls' workers"].demand(hotels) < 0.75 * settings.polling_concurrency
        assert LIMIT["the live path's workers"].demand(hotels) < 0.75 * settings.live_concurrency


def test_an_audit_of_all_hotels_grows_with_their_square() -> None:
    assert auditors(100_000) / auditors(10_000) > 50


def test_bursts_are_as_large_and_as_long_as_they_say() -> None:
    random = np.random.default_rng(SEED)
    assert len(BURSTS["the busiest hour"](random, 10_000)) == pytest.approx(
        PEAK * deliveries_a_second(10_000) * 600, rel=0.05
    )
    for arrivals in BURSTS.values():
        times = arrivals(random, 1_000)
        assert (np.diff(times) >= 0).all()
        assert 0 <= times[0] < times[-1] <= 600
    assert webhook_seconds() < 1


PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "said",
    [
        f"0.5 × 28 × N / 300 = {night_audit_a_second(1):.4f} × N a second",
        f"four lists for each hotel and hour, {poll_seconds():.2f} s each",
        f"= {pollers(1):.5f} × N workers",
        f"{dispatching(100_000) / 100_000:.4f} × N seconds",
        f"ten events in one invocation take {apply_seconds(10) * 1000:.0f} ms",
        f"{events_a_second(1):.4f} × N events a second",
        f"{querying(1):.3f} × N seconds",
        f"{walking(1) * 5 / 120:.4f} × N seconds",
        f"{events_sent_a_second(10_000):.0f} of 1,100",
        f"{auditors(100_000):.0f} workers all day long",
        f"takes {watching(100_000) / 60:.0f} minutes",
        f"{deliveries_a_second(1) * 86_400:.1f} deliveries a day, and {PEAK} times",
    ],
)
def test_the_page_s_arithmetic_is_the_model_s(said: str) -> None:
    assert said in " ".join(PAGE.split())


def test_the_page_says_what_the_command_prints() -> None:
    text = PAGE
    assert text == page(text), "write it anew: scripts/simulate write"


# -- the command ---------------------------------------------------------------------------------------


def command(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def test_limits_are_printed_with_how_full_they_are() -> None:
    use = json.loads(command("limits", "--hotels", 2_000, "--json").stdout)

    assert use["deliveries let in"] == pytest.approx(LIMIT["deliveries let in"].use(2_000))
    assert "webhooks.requests_per_second" in command("limits", "--hotels", 2_000).stdout


def test_bursts_take_the_settings_that_are_given() -> None:
    def turned_away(*settings: object) -> int:
        found = json.loads(command("bursts", "--hotels", 100, "--json", *settings).stdout)
        return int(found["bursts"]["the night audit"]["turned_away"])

    assert turned_away() == 0
    assert turned_away("--requests-per-second", 1) > 0
    assert "polls fetch what" in command("bursts", "--hotels", 100).stdout
    assert "an hour's polls" in command("bursts", "--hotels", 100).stdout


def test_workers_that_cannot_be_divided_are_refused() -> None:
    assert command("bursts", "--hotels", 10_000, "--live-concurrency", 7).exit_code == 2
