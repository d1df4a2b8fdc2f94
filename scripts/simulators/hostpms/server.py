"""The simulator on a port: in a thread of this process, or as the process itself."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette

from scripts.simulators.hostpms.answers import Problem, answer_problem
from scripts.simulators.hostpms.api import PREFIX, Api
from scripts.simulators.hostpms.control import Control
from scripts.simulators.hostpms.deliveries import Courier
from scripts.simulators.hostpms.faults import Faults
from scripts.simulators.hostpms.simulator import Simulator
from scripts.simulators.hostpms.world import World

_STARTUP_SECONDS = 10.0


def application(simulator: Simulator) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        simulator.loop = asyncio.get_running_loop()
        yield

    return Starlette(
        routes=[*Api(simulator).routes, *Control(simulator).routes],
        exception_handlers={Problem: answer_problem},  # type: ignore[dict-item]
        lifespan=lifespan,
    )


class RunningSimulator:
    """A simulator and its address, while it runs in a thread."""

    def __init__(self, simulator: Simulator, port: int) -> None:
        self.simulator = simulator
        self.origin = f"http://127.0.0.1:{port}"
        self.base_url = f"{self.origin}{PREFIX}"
        """What an integration item names as the vendor's ``base_url``."""

    @property
    def world(self) -> World:
        return self.simulator.world

    def advance(self, days: int, *, flush: bool = True, announce: bool = True) -> int:
        """See ``Simulator.advance``; returns when everything is delivered."""
        living = self.simulator.advance(days, flush=flush, announce=announce)
        return asyncio.run_coroutine_threadsafe(living, self.simulator.loop).result()


@contextmanager
def running(
    world: World, faults: Faults | None = None, *, courier: Courier | None = None, port: int = 0
) -> Iterator[RunningSimulator]:
    """Serves ``world`` on loopback; ``port`` 0 is any free one. Nothing is left of it afterwards."""
    if faults is not None:
        world.faults = faults
    simulator = Simulator(world, courier)
    with _bound(port) as listening:
        run = RunningSimulator(simulator, listening.getsockname()[1])
        server = _server(simulator)
        thread = threading.Thread(target=server.run, args=([listening],), name="hostpms-simulator", daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield run
        finally:
            server.should_exit = True
            thread.join()


def serve_forever(world: World, courier: Courier, port: int, ready: Callable[[str, str], None]) -> None:
    """Serves in the calling thread until the process is told to end (SIGINT or SIGTERM).

    ``ready`` is told the origin and the base URL as soon as connections are taken.
    """
    simulator = Simulator(world, courier)
    with _bound(port) as listening:
        run = RunningSimulator(simulator, listening.getsockname()[1])
        listening.listen()  # from here on a client waits instead of being turned away
        ready(run.origin, run.base_url)
        _server(simulator).run([listening])


@contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    # Named as TCP, for only then does asyncio send an answer's head and body without 40 ms between them.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        yield listening


def _server(simulator: Simulator) -> uvicorn.Server:
    config = uvicorn.Config(
        application(simulator),
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _STARTUP_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the HostPMS simulator did not start; its thread has said why on stderr")
        time.sleep(0.005)
