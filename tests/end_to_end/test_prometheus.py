"""A real Prometheus scrapes a running gateway: whatever an alert or a dashboard asks about is
there, and no rule and no query gives an error."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.identity.gateway_key import hash_of, new_key
from gateway.self_check import SelfCheck
from gateway.testing.gateway import RunningGateway
from tests.certificates import Authority
from tests.helm.promql import ALERT_FILES, alerts, dashboard_queries, metrics_of
from tests.proxy.local import policy
from tests.proxy.wire import Connection, Message, Script, Upstream, answer, call, stream
from tests.running import CHAT, JSON, chat, events, lines, metrics, says, wait_for
from tests.telemetry.collector import Collector

PROMETHEUS = shutil.which("prometheus")
pytestmark = pytest.mark.skipif(
    PROMETHEUS is None,
    reason="Prometheus is not installed (Debian and Ubuntu: apt install prometheus)",
)
OURS = Authority("ours")
TLS = OURS.client()
KEY, TOKEN = new_key(), new_key()
RULES: list[dict[str, Any]] = [
    {"kind": "rate_limit", "per": "tenant", "requests": "1000/min"},
    {"kind": "budget", "per": "tenant", "window": "day", "limit": "$100", "warn_at": ["0.000001%"]},
    {"kind": "loop", "repeats": 2},
    {"kind": "pii", "entities": ["EMAIL_ADDRESS"], "action": "redact"},
    {"kind": "pii", "id": "people", "entities": ["US_SSN"], "action": "pseudonymize"},
    {"kind": "patterns", "deny": ["zebra"], "surfaces": ["user"], "action": "block"},
]


def script(got: Message) -> Script:
    said = got.body.decode()
    if "broken" in said:
        return answer(b'{"error": {"message": "no"}}', "500 Oops")
    if "hang" in said:
        return stream(events("a")[:2], then="hang")
    return stream(events("Hello ", "there.")) if '"stream"' in said else says()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """Two workers with all that has metrics: TLS, traces, a copy of the audit log."""
    folder = tmp_path_factory.mktemp("gateway")
    OURS.issue("listener").write(folder / "tls")
    flags = ["--workers", "2", "--audit-copy", "otlp"]
    flags += ["--tls-cert", str(folder / "tls/tls.crt"), "--tls-key", str(folder / "tls/tls.key")]
    with Collector() as collector, Upstream(script) as upstream:
        file = policy(upstream.url, *RULES)
        file["tenants"]["local"]["keys"] = [
            {"name": "bot", "hash": hash_of(KEY), "may_assert": ["outcome"]}
        ]
        file["admin"] = {"tokens": [{"name": "eve", "role": "operator", "hash": hash_of(TOKEN)}]}
        made = RunningGateway(
            folder,
            file,
            flags,
            admin=f"unix:{folder / 'admin.sock'}",
            environment={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url},
        )
        with made:
            _traffic(made)
            yield made


def say(gateway: RunningGateway, text: str, *headers: tuple[str, str], **more: Any) -> Message:
    return call(gateway.base, CHAT, chat(text, **more), [JSON, *headers], tls=TLS)


def _traffic(gateway: RunningGateway) -> None:
    """Calls of every sort."""
    assert say(gateway, "Hello, I am joe@example.com").status == 200
    assert say(gateway, "Mine is 536-22-8765", ("x-stainless-retry-count", "1")).status == 200
    assert say(gateway, "Hello", stream=True).status == 200
    assert say(gateway, "a zebra").status == 400
    assert say(gateway, "broken").status == 500
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = [{"role": "user", "content": [image]}]
    say(gateway, "", messages=messages)
    with Connection(gateway.base, TLS) as connection:
        connection.send("POST", CHAT, chat("hang", stream=True), [JSON])
        connection.head()
        connection.hang_up()
    name = "portcullis_client_disconnects_total"
    wait_for("the end of the call that was hung up", lambda: metrics(gateway).get(name))
    told = [("authorization", f"Bearer {KEY}"), ("x-session-id", "run-1")]
    assert say(gateway, "Done", *told, ("x-portcullis-outcome", "success")).status == 200


# --- outcomes of tasks, told to a gateway of two workers ---


def operator_says(
    gateway: RunningGateway, session: str, outcome: str
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(gateway.folder / "admin.sock"))
    body = json.dumps({"outcome": outcome, "note": "ticket 7"})
    headers = {"Authorization": f"Bearer {TOKEN}"}
    connection.request("POST", f"/admin/v1/sessions/{session}/outcome", body, headers)
    got = connection.getresponse()
    told = json.loads(got.read())
    connection.close()
    return got.status, told


def outcomes(gateway: RunningGateway) -> dict[str, float]:
    text = call(gateway.probes, "/metrics", method="GET").body.decode()
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name.startswith("portcullis_task_outcomes_total{"):
            found[name.split('"')[1]] = float(value)
    return {outcome: count for outcome, count in found.items() if count}


def test_outcome_of_a_session_is_told_by_a_header_or_an_operator_and_counts_once(
    gateway: RunningGateway,
) -> None:
    closed = lines(gateway, "closed")
    told = [record for record in closed if record.get("task_outcome")]
    assert [record["task_outcome"] for record in told] == ["success"]
    by_agent = told[0]["who"]["session"]
    status, answered = operator_says(gateway, by_agent, "failure")
    assert (status, "success already" in answered["error"]) == (409, True)

    session = next(r["who"]["session"] for r in closed if r["outcome"] == "answered")
    status, answered = operator_says(gateway, session, "escalated")
    assert (status, answered["outcome"], answered["counted"]) == (200, "escalated", True)
    assert answered["known"]["calls"] >= 1
    assert answered["known"]["cost"] > 0
    assert operator_says(gateway, session, "escalated")[1]["counted"] is False
    assert outcomes(gateway) == {"success": 1, "escalated": 1}
    (event,) = lines(gateway, "outcome")
    assert (event["session"], event["outcome"]) == (session, "escalated")
    assert (event["by"], event["note"]) == ("eve", "ticket 7")


def test_caller_that_may_not_say_it_is_refused(gateway: RunningGateway) -> None:
    got = say(gateway, "Done", ("x-portcullis-outcome", "success"))
    assert got.status == 400
    assert ("x-portcullis-reason", "assertion_denied") in got.headers


# --- the log checks itself ---


def test_gateway_finds_its_own_log_unchanged_and_an_edited_one_changed(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    flags = {"audit": str(gateway.audit), "state": gateway.state}
    check = SelfCheck(flags, gateway.environment)
    asyncio.run(check.check())
    assert check.counts == {"unchanged": 1, "changed": 0, "unchecked": 0}
    copy = tmp_path / "audit"
    shutil.copytree(gateway.audit, copy)
    path = sorted(copy.glob("*.jsonl"))[0]
    path.write_bytes(path.read_bytes().replace(b'"pid":', b'"pie":', 1))
    check = SelfCheck({**flags, "audit": str(copy)}, gateway.environment)
    asyncio.run(check.check())
    assert not check.intact


# --- Prometheus ---


class Prometheus:
    """A running Prometheus; `get` asks its API."""

    def __init__(self, address: str) -> None:
        self._address = address

    def get(self, path: str, **query: str) -> Any:
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as got:
            return json.load(got)["data"]

    def ready(self) -> bool:
        """Whether it has scraped the gateway and evaluated every rule."""
        try:
            (target,) = self.get("targets")["activeTargets"]
            rules = self.rules()
        except (OSError, ValueError):
            return False
        return target["health"] == "up" and all(rule["health"] != "unknown" for rule in rules)

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def prometheus(
    gateway: RunningGateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    config = {
        "global": {
            "scrape_interval": "500ms",
            "scrape_timeout": "500ms",
            "evaluation_interval": "1s",
        },
        "rule_files": [str(path) for path in ALERT_FILES],
        "scrape_configs": [
            {
                "job_name": "portcullis",
                "static_configs": [{"targets": [gateway.probes.removeprefix("http://")]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                str(PROMETHEUS),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        made = Prometheus(address)
        wait_for("Prometheus", made.ready)
        yield made
    finally:
        process.terminate()
        process.wait(30)


def test_every_metric_that_is_asked_for_is_there(prometheus: Prometheus) -> None:
    expressions = [rule["expr"] for rule in alerts().values()] + dashboard_queries()
    asked = {name for expression in expressions for name, _ in metrics_of(expression)}
    assert len(asked) > 60
    assert asked - set(prometheus.get("label/__name__/values")) == set()


def test_every_alert_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    found = {
        rule["name"]: (rule["health"], rule.get("lastError", "")) for rule in prometheus.rules()
    }
    assert found.keys() == alerts().keys()
    assert {name: told for name, told in found.items() if told != ("ok", "")} == {}


def test_every_query_of_a_dashboard_is_answered(prometheus: Prometheus) -> None:
    for query in dashboard_queries():
        assert "result" in prometheus.get("query", query=query), query


def test_a_gateway_that_is_well_has_no_alert_of_its_own(prometheus: Prometheus) -> None:
    """What fires right after a start and a few calls would wake somebody each time."""
    found = prometheus.get("alerts")["alerts"]
    assert [each["labels"]["alertname"] for each in found if each["state"] == "firing"] == []
