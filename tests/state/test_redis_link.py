"""The ways to a Redis: TLS, users, Sentinel, Cluster, and what is told where none leads there."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.state import redis_link
from gateway.state.redis import RedisStore
from gateway.state.redis_url import Place, parse_redis_url
from gateway.state.store import Level, StoreError
from tests.state.conformance import budget
from tests.state.local_redis import LocalRedis, free_port, local_redis, needs_redis, until
from tests.state.redis_cluster import local_cluster

pytestmark = needs_redis

ACL = (
    "user gate on >gate-pass resetkeys ~portcullis:* ~{portcullis}:* resetchannels -@all +ping "
    "+info +client|setname +eval +evalsha +time +get +set +del +hget +hset +hdel "
    "+mget +mset +zadd +zrem +zscore +zmscore +zrangebyscore"
)
"""What docs/state.md tells operators to give."""


async def works(place: Place) -> None:
    """One of each call."""
    store = RedisStore(place)
    await store.open()
    admission = await store.admit([budget(60)])
    await store.renew([admission.lease])
    assert await store.settle(admission.lease, [20]) == (Level(20, 0, 100),)
    await asyncio.gather(*[store.put(f"v{number}", b"x", 30) for number in range(20)])
    assert await asyncio.gather(*[store.get(f"v{number}") for number in range(20)]) == [b"x"] * 20
    await store.close()


async def refused(place: Place) -> str:
    with pytest.raises(StoreError) as caught:
        await RedisStore(place).open()
    assert place.password == "" or place.password not in str(caught.value)
    return str(caught.value)


# --- users ---


async def test_a_user_with_the_documented_rights_is_enough() -> None:
    with local_redis("user default off", ACL) as server:
        place = replace(server.place(), username="gate", password="gate-pass")
        await works(place)
        assert "refuses the user or the password" in await refused(replace(place, password="no"))
        assert "asks for a password" in await refused(server.place())
        other = replace(place, namespace="other")
        assert "docs/state.md has the ACL rule" in await refused(other)


def test_the_documented_rights_are_those() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "state.md").read_text()
    rights = ACL.partition("resetkeys ")[2]
    assert rights in " ".join(page.replace("\\\n", " ").split())


# --- servers that cannot be used ---


async def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_link, "PATIENCE", 0.1)
    place = parse_redis_url(f"redis://u:hidden@127.0.0.1:{free_port()}", {})
    assert "is it running" in await refused(place)


async def test_a_replica_is_refused_at_the_start(redis_server: LocalRedis) -> None:
    with local_redis(f"replicaof 127.0.0.1 {redis_server.port}") as replica:
        assert "read-only replica" in await refused(replica.place())


async def test_no_cluster_where_one_was_named(redis_server: LocalRedis) -> None:
    place = replace(redis_server.place(), mode="cluster")
    assert "redis+cluster" in await refused(place)


async def test_keys_that_may_be_thrown_away_are_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with local_redis("maxmemory-policy allkeys-lru") as server:
        await works(server.place())
    assert "set it to noeviction" in caplog.text


# --- TLS ---


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throwaway CA and a certificate for 127.0.0.1, made by openssl."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA")
    openssl("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=redis")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", *signing)
    return folder


async def test_tls_with_an_own_authority_and_a_client_certificate(authority: Path) -> None:
    port = free_port()
    flags = [f"tls-port {port}", "tls-auth-clients yes"]
    flags += [f"tls-ca-cert-file {authority / 'ca.pem'}"]
    flags += [
        f"tls-{kind}-file {authority / 'server'}.{kind2}"
        for kind, kind2 in (("cert", "pem"), ("key", "key"))
    ]
    with local_redis(*flags):
        files = f"cert={authority}/server.pem&key={authority}/server.key"
        url = f"rediss://127.0.0.1:{port}?{files}"
        await works(parse_redis_url(f"{url}&ca={authority}/ca.pem", {}))
        assert "certificate is not one that is trusted" in await refused(parse_redis_url(url, {}))


# --- Sentinel ---


@pytest.fixture
def watched(redis_server: LocalRedis, tmp_path: Path) -> Iterator[LocalRedis]:
    sentinel = LocalRedis(tmp_path, [f"sentinel monitor main 127.0.0.1 {redis_server.port} 1"])
    try:
        sentinel.start("--sentinel")
        yield sentinel
    finally:
        sentinel.stop()


async def test_sentinel_tells_where_the_primary_is(watched: LocalRedis) -> None:
    place = Place("sentinel", (("127.0.0.1", watched.port),), service="main", namespace="watched")
    await works(place)
    assert "Sentinel knows no primary" in await refused(replace(place, service="other"))


# --- Cluster ---


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[LocalRedis]]:
    with local_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster.nodes


@pytest.mark.slow
async def test_a_cluster_counts_exactly_and_survives_flushed_scripts(
    cluster: list[LocalRedis],
) -> None:
    place = Place("cluster", tuple(("127.0.0.1", node.port) for node in cluster[:2]))
    await works(place)
    one, other = RedisStore(place), RedisStore(place)
    await one.open()
    await other.open()
    stores = [one, other] * 100
    admissions = await asyncio.gather(*[s.admit([budget(10, 500, "x")]) for s in stores])
    assert sum(bool(each.lease) for each in admissions) == 50
    for node in cluster:
        node.client.script_flush()
    lease = next(each.lease for each in admissions if each.lease)
    assert await other.settle(lease, [3]) == (Level(3, 490, 500),)
    slots = {node.client.dbsize() > 0 for node in cluster}
    assert slots == {True}  # the values spread
    await one.close()
    await other.close()


@pytest.mark.slow
async def test_a_slot_that_moves_is_followed(cluster: list[LocalRedis]) -> None:
    """What a node of a standalone URL says where it is part of a cluster, too."""
    place = Place("cluster", (("127.0.0.1", cluster[0].port),), namespace="moved")
    store = RedisStore(place)
    await store.open()
    await store.admit([budget(60)])
    slot = int(cluster[0].client.execute_command("CLUSTER", "KEYSLOT", "{moved}"))
    owner = slot // 5462
    source, target = cluster[owner], cluster[(owner + 1) % 3]
    names = [node.client.execute_command("CLUSTER", "MYID").decode() for node in cluster]
    there = names[(owner + 1) % 3]
    target.client.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[owner])
    source.client.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", there)
    keys = source.client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100)
    source.client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
    for node in (target, source):
        node.client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", there)
    await until(store, "b", Level(0, 60, 100))
    standalone = [
        Place("standalone", (("127.0.0.1", node.port),), namespace="moved") for node in cluster
    ]
    told = [await refused(each) for each in standalone if each.hosts[0][1] != target.port]
    assert all("write redis+cluster://" in each for each in told)
    await store.close()
