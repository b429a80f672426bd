"""How networks are trained: the protocols of /spec, each declared whole, so that a record can be read without the code.

`own` is ours, since [P]'s hyper-parameters are not public. Z1 and Z2 are Zoology's and Based's figures 2, K is of Koren
et al. (2026).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """Sequences of one size: how many of them make a data set, and how many a batch."""

    input_seq_len: int
    num_kv_pairs: int
    examples: int
    batch_size: int = 0


@dataclass(frozen=True)
class TrainingProtocol:
    """AdamW on fresh batches, or over and over on the data set that `shapes` are, evaluated `evaluations` times.

    `schedule` is "one-cycle" (peak lr), "epoch cosine" (to 0, a step an epoch) or "warm-up, flat, cosine". A training
    ends before its `steps` where it reaches `stop_at` of the test set. `tested` are the test set's shapes; where there
    are none it has `test_examples` of the training's own shape.
    """

    words: str
    steps: int = 0
    batch_size: int = 64
    schedule: str = "one-cycle"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    clip: float = 1.0
    label_smoothing: float = 0.0
    stop_at: float = 1.0
    evaluations: int = 20
    test_examples: int = 1000
    power_a: float = 0.01
    epochs: int = 0
    shapes: tuple[Shape, ...] = ()
    tested: tuple[Shape, ...] = ()


def _based(count: int, batch_size: int, shapes: tuple[tuple[int, int], ...]) -> tuple[Shape, ...]:
    return tuple(Shape(length, pairs, count, batch_size) for length, pairs in shapes)


PROTOCOLS = {
    "own": TrainingProtocol("AdamW without decay, one-cycle, clip 1, fresh data every step", steps=2000, stop_at=0.999),
    "exact": TrainingProtocol("as own, until every sequence of the test set is answered", steps=2000, evaluations=20),
    "Z1": TrainingProtocol(
        "Zoology, Figure 2: AdamW, cosine by the epoch, batches of fixed composition, in an order new every epoch",
        schedule="epoch cosine",
        weight_decay=0.1,
        stop_at=0.99,
        evaluations=64,
        epochs=64,
        shapes=(Shape(64, 4, 100_000, 512), Shape(128, 8, 100_000, 512), Shape(256, 16, 100_000, 256)),
        tested=(Shape(64, 4, 1000), Shape(128, 8, 1000), Shape(256, 16, 1000)),
    ),
    "Z2": TrainingProtocol(
        "Based, Figure 2: as Z1 on a mixture, tested at lengths beyond it",
        schedule="epoch cosine",
        weight_decay=0.1,
        stop_at=0.99,
        evaluations=32,
        epochs=32,
        shapes=(Shape(64, 4, 100_000, 256), *_based(20_000, 256, ((128, 8), (256, 16), (256, 32), (256, 64)))),
        tested=_based(1000, 0, ((64, 4), (64, 8), (64, 16), (128, 32), (256, 64), (512, 128), (1024, 256))),
    ),
    "K": TrainingProtocol(
        "Koren et al.: warm-up, flat, cosine; betas .9, .95; clip .75; label smoothing .1",
        steps=20_000,
        batch_size=128,
        schedule="warm-up, flat, cosine",
        betas=(0.9, 0.95),
        clip=0.75,
        label_smoothing=0.1,
        stop_at=0.999,
        evaluations=20,
        power_a=1.0,
    ),
}
