"""Holds scrapes, alert rules and the dashboard together. Called by .ci/metrics.

check.py openmetrics FILE   reads OpenMetrics strictly, and prints it in the text format 0.0.4
check.py names FILE         fails if the alerts or the dashboard name a metric, label or reason that FILE does not have
check.py dashboard URL      runs every query of the dashboard in the Prometheus at URL
check.py rules URL          waits until the Prometheus at URL has evaluated every alert rule
"""

import json
import pathlib
import re
import sys
import time
import urllib.parse
import urllib.request

ALERTS = pathlib.Path("deploy/prometheus/alerts.yaml")
DASHBOARD = pathlib.Path("deploy/grafana/dashboard.json")
SECONDS = 60


def openmetrics(path):
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    families = list(text_string_to_metric_families(pathlib.Path(path).read_text()))

    class Parsed:
        def collect(self):
            return families

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Parsed())
    sys.stdout.write(generate_latest(registry).decode())


def names(path):
    labels = labels_of(pathlib.Path(path).read_text())
    reasons = set(re.findall(r"`([A-Z_]+)`", pathlib.Path("docs/api.md").read_text()))
    queries = [ALERTS.read_text()] + dashboard_queries()
    found = [use for query in queries for use in re.findall(r"\b(countersign_[a-z_]+)\b(?:\{([^}]*)\})?", query)]
    assert len(found) > 30, "the queries name too few metrics to be read right"
    for name, matchers in found:
        assert name in labels, f"no scrape has {name}"
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
            assert label in labels[name] | {"instance"}, f"{name} has no label {label}"
            if label == "reason":
                unknown = set(value.split("|")) - reasons
                assert not unknown, f"docs/api.md knows no reason {unknown}"
        for label in re.findall(r"(\w+)=", matchers):
            assert label in labels[name] | {"instance"}, f"{name} has no label {label}"
    print(f"{len(found)} uses of {len({name for name, _ in found})} metrics")


def labels_of(scrape):
    """The names of the samples, each with its labels."""
    labels = {}
    for line in scrape.splitlines():
        sample = re.match(r"(\w+)(?:\{([^}]*)\})? ", line)
        if sample:
            labels.setdefault(sample[1], set()).update(re.findall(r'(\w+)="', sample[2] or ""))
    return labels


def dashboard_queries():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def dashboard(url):
    queries = dashboard_queries()
    for query in queries:
        query = query.replace("$__rate_interval", "1m").replace("$instance", ".*")
        result = get(url, "query", query=query)["result"]
        assert result, f"no result: {query}"
    print(f"{len(queries)} queries of the dashboard have results")


def rules(url):
    count = len(re.findall(r"^ +- alert: ", ALERTS.read_text(), re.MULTILINE))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        loaded = [rule for group in get(url, "rules")["groups"] for rule in group["rules"]]
        assert len(loaded) == count, f"{len(loaded)} of {count} rules are loaded"
        if all(rule["health"] == "ok" for rule in loaded):
            print(f"{count} alert rules are evaluated")
            return
        time.sleep(0.2)
    raise AssertionError([(rule["name"], rule["health"], rule.get("lastError")) for rule in loaded])


def get(url, path, **parameters):
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
        return json.load(answer)["data"]


{"openmetrics": openmetrics, "names": names, "dashboard": dashboard, "rules": rules}[sys.argv[1]](sys.argv[2])
