"""The suite under pytest: `pytest --ssm-kernel=MODULE:NAME`, one test a row, its id stable.

Installed, it is found by its entry point; in a checkout, `-p mamba_theorems.verify.conform.plugin`. An xfail file has a
line for each row that is known to fail: its id, then the reason, with a link.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("ssm", "conformance of SSM kernels")
    group.addoption("--ssm-kernel", action="append", default=[], metavar="[OPERATION=]MODULE[:NAME]", help="a kernel")
    group.addoption("--ssm-xfail", type=Path, metavar="FILE", help="rows known to fail: id, reason, link, a line each")
    group.addoption("--ssm-device", default="cpu", metavar="NAME", help="cpu (default) or cuda")
    group.addoption("--ssm-tier", default="quick", metavar="NAME", help="quick (default) or full")


@pytest.fixture(scope="session")
def ssm_device(request: pytest.FixtureRequest) -> str:
    """The device that --ssm-device names."""
    return str(request.config.getoption("--ssm-device"))


def pytest_collection(session: pytest.Session) -> None:
    """An xfail file that cannot be read, or names an unknown row, is an error before anything runs."""
    if session.config.getoption("--ssm-kernel"):
        session.config.stash[EXPECTED] = expected_failures(session.config)


EXPECTED = pytest.StashKey[dict[str, str]]()


def expected_failures(config: pytest.Config) -> dict[str, str]:
    """Reasons by id. Raises UsageError for a line without a reason."""
    path = config.getoption("--ssm-xfail")
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as reason:
        raise pytest.UsageError(f"cannot read {path} ({reason.strerror}): give --ssm-xfail a file of rows") from reason
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, _, why = line.strip().partition(" ")
        if not name or name.startswith("#"):
            continue
        if not why.strip():
            raise pytest.UsageError(f"{path}, line {number}: '{name}' has no reason; write one after the id")
        found[name] = why.strip()
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add a test for each row of each kernel; an expected failure becomes an xfail, strictly."""
    words = config.getoption("--ssm-kernel")
    if not words:
        return
    expected = config.stash[EXPECTED]
    rows = [item for word in words for item in _collected(session, word)]
    unknown = sorted(set(expected) - {item.name for item in rows})
    if unknown:
        path = config.getoption("--ssm-xfail")
        raise pytest.UsageError(f"{path} names no row of the suite: {', '.join(unknown)}; take the line out")
    for item in rows:
        if item.name in expected:
            item.add_marker(pytest.mark.xfail(reason=expected[item.name], strict=True))
    items += rows


def _collected(session: pytest.Session, word: str) -> Iterator[RowItem]:
    from mamba_theorems.verify.conform.kernels import kernels_of  # noqa: PLC0415 - torch is loaded where it is asked for

    try:
        kernels = list(kernels_of(word))
    except ValueError as reason:
        raise pytest.UsageError(str(reason)) from reason
    for examined in kernels:
        yield from (
            RowItem.from_parent(session, name=f"{examined.operation}/{row.id}", examined=examined, row=row)
            for row in examined.rows
        )


class RowItem(pytest.Item):
    """One row on one kernel."""

    def __init__(self, *, examined: Any, row: Any, **more: Any) -> None:
        super().__init__(**more)
        self.examined, self.row = examined, row

    def runtest(self) -> None:
        """Hold the row: FAILS fails, what is not offered or not exercised is skipped."""
        device, tier = (str(self.config.getoption(name)) for name in ("--ssm-device", "--ssm-tier"))
        told = self.examined.hold(self.row, device, tier)
        failed = [finding for finding in told if finding.verdict == "FAILS"]
        if failed:
            raise RowFailed(failed)
        if not any(finding.verdict == "CONFORMS" for finding in told):
            pytest.skip("; ".join(f"{f.verdict}: {f.reason}" for f in told) or "NOT EXERCISED")

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """What failed, in the suite's words."""
        return str(excinfo.value) if isinstance(excinfo.value, RowFailed) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is listed."""
        return Path(self.examined.path), None, self.name


class RowFailed(Exception):
    """A row fails; the message names output, index, got, want, bound and the kind of fault."""

    def __init__(self, findings: list[Any]) -> None:
        super().__init__(
            "\n".join(
                f"{f.direction}, {f.dtype}: {f.reason}\nlooks like: {f.failure.kind}"
                f"{': ' + f.failure.model if f.failure.model else ''}"
                for f in findings
            )
        )
