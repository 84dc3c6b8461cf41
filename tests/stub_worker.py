"""A worker without a gateway in it, for the tests of the crew: does as the policy's text says.

The text is JSON: what was asked -> how to behave (`refuse`, `die`, `silent`), for every worker, or
for one (`"1 prepare"`). What it was asked is noted in a file of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from gateway.control import Line


class Stub:
    def __init__(self, order: dict[str, Any]) -> None:
        self.number = order["number"]
        self.policy = json.loads(order["texts"]["policy"])
        self.prepared: dict[str, str] = {}
        self.hurried = asyncio.Event()
        self._notes = Path(order["folder"]) / f"worker-{self.number}"
        self.note(f"start {os.getpid()} {self.policy.get('name', '')}")
        if "tls" in order:
            self.note(f"tls {order['tls']['cert']}")

    def note(self, what: str) -> None:
        with self._notes.open("a") as file:
            file.write(what + "\n")

    async def behave(self, do: str, policy: dict[str, str]) -> dict[str, Any]:
        how = policy.get(f"{self.number} {do}", policy.get(do, ""))
        if how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "silent":
            await asyncio.sleep(3600)
        return {"problems": [f"policy:1: no {do}"]} if how == "refuse" else {}

    async def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        do = message["do"]
        self.note(do)
        if do == "prepare":
            self.prepared = json.loads(message["texts"]["policy"])
            return await self.behave(do, self.prepared)
        if do == "commit":
            refused = await self.behave(do, self.prepared)
            self.policy = self.prepared
            return refused or {"committed": True}
        if do == "secure":
            return await self.behave(do, self.policy) or {"secured": True}
        if do == "facts":
            number = self.number + 1
            known = {"calls": number, "cost": 10 * number, "began": 100 - number, "last": number}
            return {"facts": known if message["session"] == "known" else None}
        if do == "hurry":
            self.hurried.set()
        if do == "drain" and self.policy.get("drain") == "slow":
            await self.hurried.wait()
        return await self.behave(do, self.policy) or {
            "samples": {"worker": self.number},
            "policy": self.policy.get("name"),
        }


async def main(control: int) -> None:
    line = await Line.open(socket.socket(fileno=control))
    order = await line.receive()
    stub = Stub(order)
    refused = await stub.behave("start", stub.policy)
    line.send({"id": order["id"], **refused})
    serving = asyncio.create_task(line.serve(stub.answer))
    while not serving.done() and not stub._notes.read_text().endswith("drain\n"):
        await asyncio.wait([serving], timeout=0.01)
    if not serving.done() and stub.policy.get("drain") == "slow":
        await stub.hurried.wait()
    await line.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
