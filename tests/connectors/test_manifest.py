"""Raising a number in a manifest: what changes, and when nothing does."""

from __future__ import annotations

import time

import pytest
import yaml

from connectors.services.github.manifest import Raise, Refusal, raised

MEMORY = Raise("memory_limit", 1.5)
REPLICAS = Raise("max_replicas", 1.5)

DEPLOYMENT = """\
# The shop.
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: default}   # flow style
spec:
  replicas: 3
  template:
    spec:
      containers:
        - name: app
          image: "example.com/shop:1"
          resources:
            requests: {memory: 128Mi}
            limits:
              memory: 256Mi  # raised twice already
              cpu: '1'
        - name: proxy
          resources: {limits: {memory: "64Mi"}}
---
kind: HorizontalPodAutoscaler
apiVersion: autoscaling/v2
metadata:
  name: shop
spec:
  minReplicas: 2
  maxReplicas: 10
"""


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    pairs = zip(before.splitlines(), after.splitlines(), strict=True)
    return [(one.strip(), other.strip()) for one, other in pairs if one != other]


def test_the_memory_limit_of_the_named_container_is_raised_and_nothing_else() -> None:
    done = raised(DEPLOYMENT, MEMORY, "Deployment/shop", "app")
    assert changed_lines(DEPLOYMENT, done.text) == [
        ("memory: 256Mi  # raised twice already", "memory: 384Mi  # raised twice already")
    ]
    assert (done.what, done.before, done.after) == (
        "memory limit of container app of Deployment/shop",
        "256Mi",
        "384Mi",
    )


def test_quotes_and_flow_style_stay() -> None:
    done = raised(DEPLOYMENT, MEMORY, "Deployment/shop", "proxy")
    assert changed_lines(DEPLOYMENT, done.text) == [
        ('resources: {limits: {memory: "64Mi"}}', 'resources: {limits: {memory: "96Mi"}}')
    ]


def test_max_replicas_are_raised_in_the_document_of_the_autoscaler() -> None:
    done = raised(DEPLOYMENT, REPLICAS, "HorizontalPodAutoscaler/shop")
    assert changed_lines(DEPLOYMENT, done.text) == [("maxReplicas: 10", "maxReplicas: 15")]


@pytest.mark.parametrize(
    ("before", "factor", "maximum", "after"),
    [
        ("256Mi", 2, "", "512Mi"),
        ("1Gi", 1.5, "", "1536Mi"),
        ("1Gi", 2, "", "2Gi"),
        ("1.5Gi", 2, "", "3Gi"),
        ("500M", 1.1, "", "550M"),
        ("1G", 1.25, "", "1250M"),
        ("100Ki", 1.333, "", "134Ki"),
        ("134217728", 1.5, "", "201326592"),
        ("3Gi", 2, "4Gi", "4Gi"),
        ("1Gi", 2, "4Gi", "2Gi"),
        ("1Ti", 1.5, "", "1536Gi"),
    ],
)
def test_memory_is_raised_in_whole_units(before: str, factor: float, maximum: str, after: str) -> None:
    text = DEPLOYMENT.replace("256Mi", before)
    assert raised(text, Raise("memory_limit", factor, maximum), "Deployment/shop", "app").after == after


@pytest.mark.parametrize(
    ("before", "factor", "maximum", "after"),
    [("1", 1.1, "", "2"), ("10", 1.05, "", "11"), ("10", 2, "15", "15"), ("10", 1.5, "15", "15")],
)
def test_replicas_are_raised_by_at_least_one(before: str, factor: float, maximum: str, after: str) -> None:
    text = DEPLOYMENT.replace("maxReplicas: 10", f"maxReplicas: {before}")
    assert raised(text, Raise("max_replicas", factor, maximum), "HorizontalPodAutoscaler/shop").after == after


@pytest.mark.parametrize(
    ("kind", "indent"),
    [("StatefulSet", "template"), ("DaemonSet", "template"), ("CronJob", "jobTemplate"), ("Pod", "")],
)
def test_every_kind_with_containers_is_understood(kind: str, indent: str) -> None:
    containers = {"containers": [{"name": "a", "resources": {"limits": {"memory": "1Gi"}}}]}
    spec = {
        "template": {"template": {"spec": containers}},
        "jobTemplate": {"jobTemplate": {"spec": {"template": {"spec": containers}}}},
        "": containers,
    }[indent]
    text = yaml.safe_dump({"kind": kind, "metadata": {"name": "x"}, "spec": spec})
    assert raised(text, Raise("memory_limit", 2), f"{kind}/x").after == "2Gi"


def test_non_ascii_comments_and_windows_line_ends_stay() -> None:
    text = ("# Grüße 🔥\n" + DEPLOYMENT).replace("\n", "\r\n")
    done = raised(text, MEMORY, "Deployment/shop", "app")
    assert done.text == text.replace("256Mi", "384Mi")


HELM = DEPLOYMENT.replace("memory: 256Mi", "memory: {{ .Values.memory }}")
ALIASES = DEPLOYMENT.replace("memory: 256Mi", "memory: &m 256Mi").replace('"64Mi"', "*m")
ANCHOR = DEPLOYMENT.replace("memory: 256Mi", "memory: &m 256Mi")
TWICE = DEPLOYMENT.replace("memory: 256Mi", "memory: 256Mi\n              memory: 1Gi")


SHOP, HPA = "Deployment/shop", "HorizontalPodAutoscaler/shop"


@pytest.mark.parametrize(
    ("text", "wanted", "workload", "container", "words"),
    [
        (DEPLOYMENT, MEMORY, SHOP, "", "must have one container in the manifest; it has 2"),
        (DEPLOYMENT, MEMORY, SHOP, "db", "must have one container named db in the manifest; it has none"),
        (DEPLOYMENT, MEMORY, "Deployment/other", "app", "must have one Deployment named other; it has none"),
        (DEPLOYMENT + "---\n" + DEPLOYMENT, MEMORY, SHOP, "app", "one Deployment named shop; it has 2"),
        (DEPLOYMENT, MEMORY, "", "", "does not say which workload"),
        (DEPLOYMENT, MEMORY, HPA, "", "has no containers whose memory"),
        (DEPLOYMENT, REPLICAS, SHOP, "", "does not set the maxReplicas of Deployment/shop"),
        (DEPLOYMENT.replace("256Mi", "lots"), MEMORY, SHOP, "app", "“lots” is not an amount"),
        (DEPLOYMENT, Raise("memory_limit", 2, "256Mi"), SHOP, "app", "maximum of 256Mi already"),
        (DEPLOYMENT, Raise("max_replicas", 2, "10"), HPA, "", "maximum of 10 already"),
        (HELM, MEMORY, SHOP, "app", "a template of Helm cannot be changed here"),
        (
            "{{- if x }}\nkind: Deployment\n{{- end }}",
            MEMORY,
            SHOP,
            "",
            "The file is not plain YAML (line 3)",
        ),
        (ALIASES, MEMORY, SHOP, "app", "anchors and aliases"),
        (ANCHOR, MEMORY, SHOP, "app", "could not be kept to one value"),
        (TWICE, MEMORY, SHOP, "app", "memory is in the manifest twice (line 16)"),
        ("", MEMORY, SHOP, "", "it has none"),
        ("just text", MEMORY, SHOP, "", "it has none"),
        ("x" * 65_537, MEMORY, SHOP, "", "longer than 65,536 characters"),
        ("[" * 5_000, MEMORY, SHOP, "", "nested too deeply"),
    ],
)
def test_where_anything_is_in_doubt_nothing_is_changed(
    text: str, wanted: Raise, workload: str, container: str, words: str
) -> None:
    with pytest.raises(Refusal) as refusal:
        raised(text, wanted, workload, container)
    assert words in str(refusal.value)


@pytest.mark.parametrize("part", ["[", "{", "[a,", "- ", "a: {", "\n? "])
def test_nesting_is_noticed_before_it_costs_time(part: str) -> None:
    began = time.process_time()
    with pytest.raises(Refusal):
        raised(part * (65_536 // len(part)), MEMORY, SHOP)
    assert time.process_time() - began < 5
