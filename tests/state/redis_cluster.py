"""A real Redis Cluster for tests: three masters, a replica of each, on free ports."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import exceptions

from gateway.state.redis_url import Place
from tests.state.local_redis import START_TIMEOUT, LocalRedis, free_port

MASTERS = 3
SLOTS = 16384


class LocalCluster:
    """`nodes`: the masters, then the replica of each in the same order, if there are any."""

    def __init__(self, folder: Path, *, replicas: bool, timeout_ms: int) -> None:
        flags = ["cluster-enabled yes", f"cluster-node-timeout {timeout_ms}"]
        flags += ["repl-diskless-sync-delay 0", "cluster-allow-replica-migration no"]
        count = MASTERS * (2 if replicas else 1)
        self.nodes = [LocalRedis(folder / str(number), flags) for number in range(count)]

    def place(self, namespace: str = "portcullis") -> Place:
        hosts = tuple(("127.0.0.1", node.port) for node in self.nodes)
        return Place("cluster", hosts, namespace=namespace)

    def url(self, namespace: str = "portcullis") -> str:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis+cluster://{hosts}?namespace={namespace}"

    def start(self) -> None:
        for node in self.nodes:
            while node.port > 55535:  # its bus listens 10,000 above
                node.port = free_port()
            node.start()
        each = -(-SLOTS // MASTERS)
        for number, node in enumerate(self.nodes):
            run = node.client.execute_command
            if number < MASTERS:
                last = min((number + 1) * each, SLOTS) - 1
                run("CLUSTER", "ADDSLOTSRANGE", number * each, last)
            run("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            run("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        ids = [str(node.client.execute_command("CLUSTER", "MYID"), "ascii") for node in self.nodes]
        for number in range(MASTERS, len(self.nodes)):
            self._follow(self.nodes[number], ids[number - MASTERS])
        for node in self.nodes:
            self._wait(node, "cluster_state:ok")

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def owner(self, namespace: str) -> int:
        """Which master has the counters of a namespace."""
        slot = int(self.nodes[0].client.execute_command("CLUSTER", "KEYSLOT", f"{{{namespace}}}"))
        return slot // -(-SLOTS // MASTERS)

    def _follow(self, replica: LocalRedis, master: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                replica.client.execute_command("CLUSTER", "REPLICATE", master)
                break
            except exceptions.ResponseError:  # it has not heard of it yet
                assert time.monotonic() < deadline
                time.sleep(0.02)
        while replica.client.info("replication").get("master_link_status") != "up":
            assert time.monotonic() < deadline
            time.sleep(0.02)

    @staticmethod
    def _wait(node: LocalRedis, sign: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while sign not in str(node.client.execute_command("CLUSTER", "INFO")):
            assert time.monotonic() < deadline
            time.sleep(0.02)


@contextmanager
def local_cluster(
    folder: Path, *, replicas: bool = False, timeout_ms: int = 2000
) -> Iterator[LocalCluster]:
    cluster = LocalCluster(folder, replicas=replicas, timeout_ms=timeout_ms)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
