"""docs/kubernetes.md shows what works: values that the chart takes, with policies that load."""

from __future__ import annotations

import re

import pytest
import yaml

from gateway.config.load import load_texts
from tests.helm.chart import CHART, NEWEST, ROOT, needs_helm, objects, render
from tests.helm.install import KUBERNETES
from tests.helm.test_manifests import kubeconform
from tests.structure.house import Block, blocks

PAGE = ROOT / "docs" / "kubernetes.md"
VALUES = [block for block in blocks(PAGE) if block.text.startswith("# values.yaml")]


@needs_helm
@pytest.mark.parametrize("block", VALUES, ids=lambda block: block.name)
def test_values_that_are_shown_are_taken(block: Block) -> None:
    manifests = render(yaml.safe_load(block.text))
    assert kubeconform(manifests, NEWEST) == ""
    for each in objects(manifests):
        if each["kind"] == "ConfigMap":
            texts = {name: text.encode() for name, text in each["data"].items()}
            load_texts(texts, {"OPENAI_API_KEY": "sk-fake"})


def test_values_that_the_page_names_exist() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    named = set(re.findall(r"`((?:[a-z]+[A-Z]?\w*\.)+[a-zA-Z]+)`", PAGE.read_text()))
    # Other words with a dot: keys of the policy file, hosts, templates.
    ours = {each for each in named if each.split(".")[0] in values}
    assert len(ours) > 10
    for each in ours:
        here = values
        for step in each.split("."):
            assert step in here, each
            here = here[step]


def test_versions_of_kubernetes_are_those_that_are_tried() -> None:
    tried = [version.rpartition(".")[0] for version in KUBERNETES]
    assert f"the API of Kubernetes {' and '.join(tried)}" in " ".join(PAGE.read_text().split())
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={tried[0]}.0-0"
