"""A plugin of pytest: writes `passed NAME` (or `failed`, `skipped`) per test into the file that $RESULTS names, and has
suites that would start a dockerd in a container of their own use the one that $DOCKER_HOST names."""

import os

outcomes = {}


def pytest_runtest_logreport(report):
    """A test has passed when its setup, its call and its teardown have."""
    if outcomes.get(report.nodeid, "passed") == "passed":
        outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish():
    with open(os.environ["RESULTS"], "w", encoding="utf-8") as results:
        for name, outcome in outcomes.items():
            print(outcome, name, file=results)


def pytest_fixture_setup(fixturedef, request):
    """aiodocker's fixture of this name answers the address of a daemon; a hook's answer stands in for the fixture's."""
    if fixturedef.argname != "dind_docker_host":
        return None
    address = os.environ["DOCKER_HOST"]
    fixturedef.cached_result = (address, fixturedef.cache_key(request), None)
    return address
