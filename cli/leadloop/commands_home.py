"""``leadloop up, down, status, provision``: the installation in a home."""

import asyncio
import sys
from typing import Annotated

from cyclopts import Parameter

from contracts.catalogue import SERVICES
from leadloop import demo as demonstration
from leadloop import running, supervisor
from leadloop.app import Common, app
from leadloop.home import HomeInUse
from leadloop.installation import Installation
from leadloop.output import Answer, CommandError, table


@app.command
async def up(
    *,
    port: int | None = None,
    detach: bool = False,
    scale: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    with_demo: Annotated[bool, Parameter(show=False, negative=())] = False,
    common: Common = Common(),
) -> Answer:
    """Start everything: database, broker and services. Ctrl-C stops all; the data stays.

    Parameters
    ----------
    port: where the gateway listens; the one it had, or a free one, by default.
    detach: return when all is ready, and leave it running; `leadloop down` stops it.
    scale: SERVICE=N runs N replicas of a service, e.g. --scale intake=2.
    """
    installation = Installation(common.open(create=True))
    replicas = dict(_replicas(text) for text in scale)
    if detach:
        return await _detached(installation, port, scale, with_demo)
    keeping = supervisor.Supervisor(installation.home, lambda: installation.plan(replicas, port))

    async def started() -> None:
        if with_demo:
            await demonstration.prepare(installation)
        for line in await _welcome(installation, "demo" if with_demo else None):
            print(line, flush=True)
        if with_demo:
            await demonstration.live(installation)

    try:
        await keeping.run(started)
    except HomeInUse:
        return Answer({"running": True, "url": installation.gateway_url}, [_running_already(installation)])
    return Answer({"stopped": True}, ["stopped"])


async def _detached(installation: Installation, port: int | None, scale: tuple[str, ...], with_demo: bool) -> Answer:
    home = installation.home
    argv = [sys.executable, "-m", "leadloop", "up", "--home", str(home.root)]
    argv += ["--port", str(port)] if port else []
    argv += [word for text in scale for word in ("--scale", text)]
    argv += ["--with-demo"] if with_demo else []
    try:
        await asyncio.to_thread(supervisor.detach, home, argv)
    except HomeInUse:
        await running.until_up(home)
        return Answer({"running": True, "url": installation.gateway_url}, [_running_already(installation)])
    shown = await _welcome(installation, None)
    return Answer({"running": True, "url": installation.gateway_url, "home": str(home.root)}, shown)


@app.command
async def demo(*, port: int | None = None, detach: bool = False, common: Common = Common()) -> Answer:
    """Start everything with a synthetic tenant: weeks of history, live traffic, and a link to sign in with.

    Parameters
    ----------
    port: where the gateway listens; the one it had, or a free one, by default.
    detach: return when all is ready, and leave it running; `leadloop down` stops it.
    """
    return await up(port=port, detach=detach, with_demo=True, common=common)


@app.command
async def down(*, common: Common = Common()) -> Answer:
    """Stop everything that runs in the home."""
    stopped = await running.down(common.open())
    return Answer({"stopped": stopped}, ["stopped" if stopped else "nothing was running"])


@app.command
async def status(*, common: Common = Common()) -> Answer:
    """Show every process of the home."""
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


@app.command
async def provision(*, common: Common = Common()) -> Answer:
    """Bring roles, schemas, streams and durables to what this version needs, and say what had drifted."""
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


async def _welcome(installation: Installation, tenant: str | None) -> list[str]:
    lines = [f"LeadLoop is running: {installation.gateway_url}"]
    if tenant:
        lines.append(f"sign in once with:   {await demonstration.sign_in_link(installation, tenant)}")
    return lines


def _running_already(installation: Installation) -> str:
    return (
        f"it is running already: {installation.gateway_url} (`leadloop down --home {installation.home.root}` stops it)"
    )
