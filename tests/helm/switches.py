"""The values that the chart is rendered with, one set a switch, so that every branch of every
template is seen by the schemas of Kubernetes."""

from __future__ import annotations

from typing import Any

from tests.helm.chart import SHARED

POLICY = """\
version: 1
upstreams:
  openai: {provider: openai, url: "https://api.openai.com", credential: "${OPENAI_API_KEY}"}
tenants: {acme: {policies: [baseline]}}
policies: {baseline: {rules: [{kind: loop}]}}
limits: {drain: 2m}
"""

PLACED: dict[str, Any] = {
    "podLabels": {"team": "agents", "tier": "edge"},
    "podAnnotations": {"example.com/note": "here"},
    "nodeSelector": {"kubernetes.io/arch": "arm64"},
    "tolerations": [{"key": "gateways", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "high",
    "topologySpreadConstraints": [],
    "commonLabels": {"team": "platform", "app.kubernetes.io/instance": "not mine to set"},
}

EXTRA: dict[str, Any] = {
    "extraEnv": [{"name": "OTEL_TRACES_SAMPLER", "value": "always_on"}],
    "extraVolumes": [{"name": "spare", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "spare", "mountPath": "/spare"}],
    "image": {"digest": "sha256:" + "0" * 64, "pullSecrets": [{"name": "registry"}]},
    "nameOverride": "gate",
    "logLevel": "debug",
    "workers": 4,
    "drainSeconds": 0,
}

SECRETS: dict[str, Any] = {
    "credentials": {
        "env": {"OPENAI_API_KEY": {"secret": "providers", "key": "openai"}},
        "files": {"existingSecret": "providers"},
    },
    "masterKey": {"existingSecret": "portcullis-master-key"},
    "otlp": {
        "endpoint": "https://collector.example.com/otlp",
        "headers": {"existingSecret": "collector"},
    },
}

GATEWAY: dict[str, dict[str, Any]] = {
    "default": {},
    "policy": {"policies": {"files": {"portcullis.yaml": POLICY}}},
    "own policy": {"policies": {"existingConfigMap": "our-policy"}},
    "secrets": SECRETS,
    "tls": {"tls": {"existingSecret": "gate-tls"}},
    "client certificates": {"tls": {"existingSecret": "gate-tls", "clientCaKey": "ca.crt"}},
    "redis": SHARED | {"replicas": 3},
    "redis with a password": {
        "redis": {
            "existingSecret": "redis",
            "usernameKey": "user",
            "passwordKey": "password",
            "ports": [6379, 26379],
            "peers": [{"podSelector": {"matchLabels": {"app": "redis"}}}],
        },
        "masterKey": {"existingSecret": "portcullis-master-key"},
    },
    "autoscaling": SHARED | {"autoscaling": {"enabled": True}},
    "autoscaling by cpu": SHARED
    | {"autoscaling": {"enabled": True, "inFlight": 0, "behavior": {}}},
    "deployment": SHARED
    | {"persistence": {"enabled": False}, "audit": {"to": "stdout"}, "replicas": 2},
    "deployment to a collector": SHARED
    | {
        "persistence": {"enabled": False},
        "audit": {"to": "otlp", "copies": ["stdout"]},
        "otlp": {"endpoint": "http://collector.observability:4318", "traces": False},
        "autoscaling": {"enabled": True},
    },
    "audit copies": {
        "audit": {"copies": ["stdout", "otlp"]},
        "otlp": {"endpoint": "https://collector.example.com"},
    },
    "volume": {"persistence": {"size": "50Gi", "storageClass": "fast"}},
    "open": {
        "networkPolicy": {"enabled": False},
        "podDisruptionBudget": {"enabled": False},
        "serviceAccount": {"create": False},
        "admin": {"enabled": False},
        "allowAnonymous": True,
    },
    "network": {
        "otlp": {"endpoint": "http://collector.observability:4318"},
        "networkPolicy": {
            "agents": [
                {"namespace": "research", "podSelector": {}},
                {
                    "podSelector": {"matchLabels": {"app": "agent"}},
                    "alsoTo": [{"to": [{"podSelector": {}}], "ports": [{"port": 5432}]}],
                },
            ],
            "alsoFrom": [{"ipBlock": {"cidr": "192.0.2.0/24"}}],
            "scrapers": [{"namespaceSelector": {}}],
            "alsoTo": [{"to": [{"podSelector": {"matchLabels": {"app": "mcp"}}}]}],
        },
    },
    "service": {
        "service": {"type": "LoadBalancer", "port": 80, "annotations": {"example.com/a": "b"}},
        "serviceAccount": {"name": "own", "annotations": {"example.com/a": "b"}},
        "ipFamily": "IPv6",
        "podDisruptionBudget": {"maxUnavailable": "50%"},
    },
    "placed": PLACED,
    "extra": EXTRA,
    "monitoring": {
        "monitoring": {
            "scrape": {"enabled": True, "labels": {"release": "prometheus"}},
            "rules": {"enabled": True, "labels": {"release": "prometheus"}},
            "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Portcullis"}},
        }
    },
}

SIDECAR: dict[str, dict[str, Any]] = {
    "default": {},
    "example": {"sidecar": {"example": {"enabled": True}}},
    "policy": {
        "policies": {"files": {"portcullis.yaml": POLICY}},
        "sidecar": {"example": {"enabled": True}},
    },
    "secrets": SECRETS | {"sidecar": {"example": {"enabled": True}}},
    "redis": SHARED | {"sidecar": {"example": {"enabled": True}}},
    "audit to stdout": {
        "audit": {"to": "stdout"},
        "sidecar": {"stateVolume": "mine", "example": {"enabled": True}},
        "extraVolumes": [{"name": "mine", "emptyDir": {}}],
    },
    "everything that an SDK reads": {
        "sidecar": {
            "sdks": ["openai", "anthropic", "gemini", "ollama", "azure_openai", "forward_proxy"],
            "admin": "unix:/var/lib/portcullis/admin.sock",
            "example": {"enabled": True, "env": [{"name": "TASK", "value": "say hello"}]},
        },
        "ipFamily": "IPv6",
    },
    "lock": {
        "sidecar": {
            "example": {"enabled": True},
            "egressLock": {
                "enabled": True,
                "image": "example.com/nft:1",
                "dns": True,
                "alsoTo": [
                    {"cidr": "10.1.2.3/32", "ports": [5432, 6379]},
                    {"cidr": "fd00::1/128", "ports": [443]},
                ],
            },
        }
    },
    "extra": EXTRA | {"sidecar": {"example": {"enabled": True}}},
    "monitoring": {
        "monitoring": {
            "scrape": {"enabled": True},
            "rules": {"enabled": True},
            "dashboards": {"enabled": True},
        }
    },
}

ALL: dict[str, dict[str, Any]] = {
    **{f"gateway, {name}": {"mode": "gateway", **values} for name, values in GATEWAY.items()},
    **{f"sidecar, {name}": {"mode": "sidecar", **values} for name, values in SIDECAR.items()},
}
