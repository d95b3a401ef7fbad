"""``leadloop up, down, status, provision``: the installation in a home. `leadloop.main` says what each command does."""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.types import Port

from contracts.catalogue import SERVICES
from leadloop import demo, running, supervisor
from leadloop.app import Common
from leadloop.home import HomeInUse
from leadloop.installation import Installation
from leadloop.output import Answer, CommandError, table


async def up(
    *,
    port: Port | None = None,
    detach: bool = False,
    scale: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    valkey: Annotated[bool, Parameter(negative="")] = False,
    with_demo: Annotated[bool, Parameter(show=False)] = False,
    common: Common = Common(),
) -> Answer:
    """``leadloop up``.

    Args:
        port: where the gateway listens; the one it had, or a free one, by default.
        detach: return when all is ready, and leave it running; `leadloop down` stops it.
        scale: SERVICE=N runs N replicas of a service, e.g. --scale intake=2.
        valkey: run a Valkey too, in which replicas count rates together; each counts for itself without.
    """
    installation = Installation(common.open(create=True))
    replicas = dict(_replicas(text) for text in scale)
    if detach:
        return await _detached(installation, port, replicas, valkey, with_demo)

    async def plan() -> list[supervisor.Stage]:
        stages = [*await installation.plan(replicas, port, valkey=valkey)]
        return [*stages, lambda: demo.prepare(installation)] if with_demo else stages

    detached = supervisor.READY_DESCRIPTOR in os.environ

    async def started() -> None:
        if not detached:  # or else its starter says it, and a link that signs in must not get into a log
            (await _welcome(installation, with_demo)).show(common.json)
        if with_demo:
            await demo.live(installation)

    try:
        await supervisor.Supervisor(installation.home, plan).run(started)
    except HomeInUse:
        return await _running_already(installation, port, replicas, valkey, with_demo)
    return Answer({"running": False}, ["stopped"])


async def _detached(
    installation: Installation, port: int | None, replicas: Mapping[str, int], valkey: bool, with_demo: bool
) -> Answer:
    home = installation.home
    argv = [sys.executable, "-m", "leadloop", "up", "--home", str(home.root)]
    argv += ["--port", str(port)] if port else []
    argv += [word for name, number in replicas.items() for word in ("--scale", f"{name}={number}")]
    argv += ["--valkey"] if valkey else []
    argv += ["--with-demo"] if with_demo else []
    try:
        await asyncio.to_thread(supervisor.detach, home, argv)
    except HomeInUse:
        await running.until_up(home)
        return await _running_already(installation, port, replicas, valkey, with_demo)
    return await _welcome(installation, with_demo)


async def up_with_demo(*, port: Port | None = None, detach: bool = False, common: Common = Common()) -> Answer:
    """``leadloop demo``.

    Args:
        port: where the gateway listens; the one it had, or a free one, by default.
        detach: return when all is ready, and leave it running; `leadloop down` stops it.
    """
    return await up(port=port, detach=detach, with_demo=True, common=common)


async def down(*, common: Common = Common()) -> Answer:
    """``leadloop down``."""
    stopped = await running.down(common.open())
    return Answer({"stopped": stopped}, ["stopped" if stopped else "nothing was running"])


async def status(*, common: Common = Common()) -> Answer:
    """``leadloop status``."""
    processes = running.status(common.open())
    shown = table("Processes", "name", "state", "pid", "up", "restarts", right=("pid", "up", "restarts"))
    for process in processes:
        up_for = f"{process.uptime:.0f} s" if process.pid else ""
        shown.add_row(process.name, process.state, str(process.pid or ""), up_for, str(process.restarts))
    ok = bool(processes) and all(process.ready for process in processes)
    return Answer(
        {"ready": ok, "processes": processes},
        [shown] if processes else [f"nothing runs in {common.open().root}: start it with `leadloop up`"],
        ok=ok,
    )


async def provision(*, common: Common = Common()) -> Answer:
    """``leadloop provision``."""
    installation = Installation(common.open())
    await running.until_up(installation.home)
    done = await installation.provision()
    return Answer({"done": done}, done or ["nothing to do: everything is as it should be"])


def _replicas(text: str) -> tuple[str, int]:
    service, _, number = text.partition("=")
    if service not in SERVICES or not number.isdecimal() or int(number) < 1 or service == "gateway":
        scalable = ", ".join(name for name in SERVICES if name != "gateway")
        raise CommandError(f"--scale {text}: write SERVICE=N with N at least 1 and one of {scalable}")
    return service, int(number)


async def _welcome(installation: Installation, with_demo: bool, *, already: bool = False) -> Answer:
    data: dict[str, Any] = {"running": True, "url": installation.gateway_url, "home": str(installation.home.root)}
    if already:
        data["already"] = True
    shown = [f"LeadLoop is running: {installation.gateway_url}"]
    if with_demo:
        data["sign_in"] = await demo.sign_in_link(installation)
        shown.append(f"sign in once with:   {data['sign_in']}")
    return Answer(data, shown)


async def _running_already(
    installation: Installation, port: int | None, replicas: Mapping[str, int], valkey: bool, with_demo: bool
) -> Answer:
    """What runs is what was asked for, or can be made so: the demo's tenant, but for its live traffic.

    Raises:
        CommandError: it runs at another port, in other numbers or without Valkey.
    """
    url, home = installation.gateway_url, installation.home.root
    stop = f"`leadloop down --home {home}` stops it"
    if port and port != installation.home.ports["gateway"]:
        raise CommandError(f"it is running already, at {url} and not at port {port}: {stop}")
    names = [process.name for process in running.status(installation.home)]
    for service, wanted in replicas.items():
        number = sum(name == service or name.startswith(f"{service}-") for name in names)
        if number != wanted:
            raise CommandError(f"it is running already, with {number} of {service} and not {wanted}: {stop}")
    if valkey and "valkey" not in names:
        raise CommandError(f"it is running already, without Valkey: {stop}")
    if with_demo:
        await demo.prepare(installation)
    answer = await _welcome(installation, with_demo, already=True)
    return Answer(answer.data, [f"it is running already: {url} ({stop})", *answer.shown[1:]])
