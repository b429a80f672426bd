"""Every property as a hypothesis test of its own: a few examples under pytest, as many as one likes under HypoFuzz."""

import pytest
from hypothesis import HealthCheck, given, settings, target
from hypothesis import strategies as st

from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.fuzz.batches import Batches
from mamba_theorems.verify.fuzz.cells import properties, streams
from mamba_theorems.verify.fuzz.executions import admitted, running
from mamba_theorems.verify.fuzz.generators import generators_of
from mamba_theorems.verify.settings import Run

FEW = 2
SLOW_TO_DRAW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
STREAMS = [
    pytest.param(s, id=f"{s.claim}:{s.check}:{s.generator}".replace(" ", "-"))
    for s in streams(tuple(claims()))
    if not isinstance(generators_of(properties(s.claim)[s.check])[s.generator], Batches)
]


@pytest.mark.parametrize("stream", STREAMS)
@given(data=st.data())
@settings(max_examples=FEW, suppress_health_check=SLOW_TO_DRAW)
def test_a_property_holds(stream, data):
    check, run = properties(stream.claim)[stream.check], Run()
    case = data.draw(generators_of(check)[stream.generator](check.subject, run))
    with running(data.draw(admitted(check, run))):
        score = check.score(check.subject, case, run)
    assert score.passes, f"{check.claim}: {check.name}: {score.unit} {score.value} at {case}"
    target(max(min(score.badness, 1e9), -1e9))
