"""Who takes part: how each proxy is started, and where it is reached."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bodies import API_KEY, answer
from benchmarks.processes import OTHER_CORE, PROXY_CORE, CannotStart, Process, program

ROOT = Path(__file__).resolve().parents[1]
LITELLM = "litellm[proxy]==1.106.2"
LITELLM_VENV = ROOT / ".bench" / "litellm"
PATH = "/v1/chat/completions"
# The policies of the benchmark name upstream by this address; a copy gets the port that is free.
POLICY_UPSTREAMS = ("http://127.0.0.1:8999", "https://api.openai.com", "https://api.anthropic.com")

NGINX = """
daemon off;
worker_processes 1;
error_log {folder}/{name}-error.log warn;
pid {folder}/{name}.pid;
{user}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/{name}-body;
  proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-fastcgi;
  uwsgi_temp_path {folder}/{name}-uwsgi;
  scgi_temp_path {folder}/{name}-scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  tcp_nodelay on;
  {body}
}}
"""
NGINX_UPSTREAM = """
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location {path} {{ default_type application/json; return 200 '{answer}'; }}
  }}
"""
NGINX_PROXY = """
  upstream provider {{
    server {upstream};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
"""


@dataclass
class Running:
    """A proxy that is up. `probes` is the address of its metrics, where it has them."""

    name: str
    url: str
    process: Process | None
    probes: str = ""


@dataclass(frozen=True)
class Contender:
    """How to start one. `varied`: every body different."""

    name: str
    title: str
    start: Callable[[Place], Running]
    varied: bool = False


@dataclass
class Place:
    """Where a run happens: the folder for its files, and upstream's address (no trailing slash)."""

    folder: Path
    upstream: str = ""
    notes: list[str] = field(default_factory=list)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_upstream(place: Place) -> Process:
    """The provider: nginx with one fixed answer. Sets `place.upstream`."""
    port = free_port()
    body = NGINX_UPSTREAM.format(port=port, path=PATH, answer=answer().decode())
    place.upstream = f"http://127.0.0.1:{port}"
    return _nginx(place, "upstream", body, OTHER_CORE)


def _nginx(place: Place, name: str, body: str, core: int) -> Process:
    # Started as root, nginx would give its worker to nobody, who may not write our folder.
    user = "user root;" if os.geteuid() == 0 else ""
    config = place.folder / f"{name}.conf"
    config.write_text(NGINX.format(folder=place.folder, name=name, body=body, user=user))
    command = [program("nginx", "nginx"), "-p", str(place.folder), "-c", str(config)]
    return Process.start(name, command, core=core, folder=place.folder)


def start_direct(place: Place) -> Running:
    return Running("direct", place.upstream + PATH, None)


def start_nginx(place: Place) -> Running:
    port = free_port()
    body = NGINX_PROXY.format(port=port, upstream=place.upstream.removeprefix("http://"))
    process = _nginx(place, "nginx", body, PROXY_CORE)
    return Running("nginx", f"http://127.0.0.1:{port}{PATH}", process)


def start_bare(place: Place) -> Running:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare_aiohttp", str(port), place.upstream]
    process = Process.start("bare", command, core=PROXY_CORE, folder=place.folder)
    return Running("bare", f"http://127.0.0.1:{port}{PATH}", process)


def start_litellm(place: Place) -> Running:
    """LiteLLM's proxy, one worker, no database, no guard; installed on first use."""
    _install_litellm()
    port = free_port()
    model = {
        "model": "openai/gpt-4o-mini",
        "api_base": f"{place.upstream}/v1",
        "api_key": "sk-bench",
    }
    config = place.folder / "litellm.yaml"  # JSON is YAML
    config.write_text(
        json.dumps({"model_list": [{"model_name": "gpt-4o-mini", "litellm_params": model}]})
    )
    command = [
        str(LITELLM_VENV / "bin" / "litellm"),
        *("--config", str(config), "--host", "127.0.0.1", "--port", str(port)),
        *("--num_workers", "1", "--telemetry", "False"),
    ]
    own = {
        "LITELLM_MASTER_KEY": API_KEY,
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MODE": "PRODUCTION",
    }
    process = Process.start("litellm", command, core=PROXY_CORE, folder=place.folder, env=own)
    return Running("litellm", f"http://127.0.0.1:{port}{PATH}", process)


def _install_litellm() -> None:
    if (LITELLM_VENV / "bin" / "litellm").exists():
        return
    print(f"installing {LITELLM} into {LITELLM_VENV.relative_to(ROOT)} (once)", flush=True)
    venv.create(LITELLM_VENV, with_pip=True)
    pip = [str(LITELLM_VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", LITELLM]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotStart(f"LiteLLM could not be installed:\n{done.stderr.strip()[-600:]}")


def start_gateway(place: Place, name: str, policies: str) -> Running:
    """The gateway as an operator starts it, with a policy file of ours and SQLite state."""
    source = ROOT / "policies" / policies
    if not source.exists():
        raise CannotStart(f"{source.name} does not exist")
    text = source.read_text()
    for address in POLICY_UPSTREAMS:
        text = text.replace(address, place.upstream)
    return gateway(place, name, text, f"sqlite:///{place.folder}/{name}/state.db")


def gateway(place: Place, name: str, policy: str, state: str) -> Running:
    """One worker with audit, a policy's text and a state store."""
    program_file = Path(sys.executable).with_name("portcullis")
    if not program_file.exists():
        raise CannotStart(f"{program_file.name} does not exist")
    folder = place.folder / name
    folder.mkdir()
    policy_file, key = folder / "policy.yaml", folder / "master.key"
    policy_file.write_text(policy)
    key.write_text(secrets.token_hex(32) + "\n")  # with Redis none is made
    key.chmod(0o600)
    port, probes = free_port(), free_port()
    command = [
        *(str(program_file), "serve", "--policies", str(policy_file), "--admin", "off"),
        *("--listen", f"127.0.0.1:{port}", "--probes", f"127.0.0.1:{probes}"),
        *("--state", state, "--audit", str(folder / "audit")),
    ]
    own = {"PORTCULLIS_MASTER_KEY_FILE": str(key)}
    process = Process.start(name, command, core=PROXY_CORE, folder=place.folder, env=own)
    return Running(name, f"http://127.0.0.1:{port}{PATH}", process, f"http://127.0.0.1:{probes}")


def start_gateway_off(place: Place) -> Running:
    return start_gateway(place, "off", "bench-off.yaml")


def start_gateway_on(place: Place) -> Running:
    return start_gateway(place, "on", "bench.yaml")


CONTENDERS = (
    Contender("direct", "no proxy (the load's limit)", start_direct),
    Contender("nginx", "nginx", start_nginx),
    Contender("bare", "bare aiohttp", start_bare),
    Contender("off", "Portcullis, no rules", start_gateway_off),
    Contender("on", "Portcullis, bench.yaml", start_gateway_on, varied=True),
    Contender("litellm", "LiteLLM, no guard", start_litellm, varied=True),
)
