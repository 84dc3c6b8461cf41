"""`portcullis health`: what an image without a shell asks itself."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from gateway.cli.main import main


class Probes(http.server.HTTPServer):
    status = 200
    told = b'{"status": "ready"}'


class _Answer(http.server.BaseHTTPRequestHandler):
    server: Probes

    def do_GET(self) -> None:
        assert self.path == "/readyz"
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.told)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def probes() -> Iterator[Probes]:
    with Probes(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(probes: Probes, host: str = "127.0.0.1") -> int:
    return main(["health", "--probes", f"{host}:{probes.server_port}"])


def test_a_gateway_that_is_ready_is_exit_0(
    probes: Probes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(probes) == 0
    assert capsys.readouterr().out == "ready\n"


def test_a_listener_on_every_address_is_asked_on_loopback(probes: Probes) -> None:
    assert ask(probes, "0.0.0.0") == 0


def test_a_gateway_that_is_not_ready_is_exit_1(
    probes: Probes, capsys: pytest.CaptureFixture[str]
) -> None:
    probes.status, probes.told = 503, json.dumps({"status": "not ready"}).encode()
    assert ask(probes) == 1
    assert capsys.readouterr().out == "not ready\n"


def test_where_nobody_answers_it_is_exit_2(
    probes: Probes, capsys: pytest.CaptureFixture[str]
) -> None:
    port = probes.server_port
    probes.shutdown()
    probes.server_close()
    assert main(["health", "--probes", f"127.0.0.1:{port}"]) == 2
    said = capsys.readouterr().err
    assert f"no gateway answers at 127.0.0.1:{port} (Connection refused)" in said
    assert "--probes" in said
    assert main(["health", "--probes", "nonsense"]) == 2
    assert "HOST:PORT" in capsys.readouterr().err


def test_an_answer_that_is_none_of_ours_is_exit_2(probes: Probes) -> None:
    probes.told = b"<html>"
    assert ask(probes) == 2
