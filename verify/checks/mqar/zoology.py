"""Recall on Zoology's sequences: the field's standard task, every query answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.tasks import Batch, Vocabulary, answers, requeried_mqar, zoology_mqar
from mamba_theorems.kernels.dtypes import DTYPES
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify.checks.case import Choice, Record, Several, Whole
from mamba_theorems.verify.checks.check import Examination, Finding
from mamba_theorems.verify.checks.mqar.recall import Recall, batch_margins, network
from mamba_theorems.verify.settings import Run, Sizes, Tier

CONTROL_EXAMPLES = 8

STATE_BUDGET = 2**26
"""Floats of logits and activations that one chunk of sequences may take."""


@dataclass(frozen=True)
class Zoology:
    """A recall subject and the sizes it is run at; with more than one query a key the filler is noise from V."""

    recall: Recall
    sizes: tuple[tuple[Sizes, int], ...]
    random_non_queries: bool = False
    queries_per_key: int = 1

    def tampered(self, tamper: Callable[[Construction], Construction]) -> Zoology:
        """The same with something done to the network's weights."""
        return replace(self, recall=replace(self.recall, tamper=tamper))

    def batch(self, sizes: Sizes, count: int, run: Run) -> Batch:
        """A batch of `count` sequences."""
        if self.queries_per_key > 1:
            options = {"num_kv_pairs": sizes.num_kv_pairs, "queries_per_key": self.queries_per_key}
            return requeried_mqar(sizes.vocab_size, count, sizes.input_seq_len, run.seed, **options)
        return zoology_mqar(
            sizes.vocab_size,
            count,
            sizes.input_seq_len,
            run.seed,
            num_kv_pairs=sizes.num_kv_pairs,
            random_non_queries=self.random_non_queries,
        )


def _together(subject: Recall, batch: Batch, dtype: str, run: Run) -> int:
    """How many sequences run at a time. Someone else's kernel may hold every state of every step."""
    _, length = batch.tokens.shape
    floats_a_step = 8 * batch.vocabulary.size
    if run.kernel:
        module = network(replace(subject, scan=None), batch.vocabulary, dtype, run.device)
        floats_a_step = max(w.numel() for name, w in module.state_dict().items() if name.endswith((".A", ".A_log")))
    return max(1, STATE_BUDGET // (length * floats_a_step))


def _zoology_look(subject: Zoology, run: Run) -> Finding:
    """100 % at every size and dtype, or the first sequence that fails; a tenth of them on someone else's kernel."""
    wanted = ((run.sizes, 1000),) if run.sizes else subject.sizes
    wanted = tuple((sizes, -(-count // 10)) for sizes, count in wanted) if run.kernel else wanted
    if not run.shrink:
        wanted = tuple((sizes, CONTROL_EXAMPLES) for sizes, _ in wanted[:1])
    facts: dict[str, str | int] = {"examples": 0, "target": subject.recall.target, "dtypes": ", ".join(run.dtypes)}
    worst = float("inf")
    for (sizes, count), dtype in product(wanted, run.dtypes):
        batch = subject.batch(sizes, count, run)
        margins = batch_margins(subject.recall, batch, dtype, run, _together(subject.recall, batch, dtype, run))
        network.cache_clear()
        facts["examples"] = int(facts["examples"]) + count
        worst = min(worst, float(margins.min()))
        where = f"(|V|, L, κ) = ({sizes.vocab_size}, {sizes.input_seq_len}, {sizes.num_kv_pairs}), {dtype}"
        right = int((margins > 0).sum())
        if right < count:
            case = _zoology_case(sizes, batch, int(np.argmin(margins > 0)), dtype)
            return Finding(False, f"{right} of {count} at {where}", facts, {"worst margin": worst}, case)
        facts[where] = f"{right} of {count}"
    return Finding(True, "", facts, {"worst margin": worst})


def _zoology_case(sizes: Sizes, batch: Batch, row: int, dtype: str) -> dict[str, Any]:
    return {
        "vocab_size": sizes.vocab_size,
        "num_kv_pairs": sizes.num_kv_pairs,
        "tokens": batch.tokens[row].tolist(),
        "dtype": dtype,
    }


def _zoology_again(subject: Zoology, case: Any, run: Run) -> Finding:
    vocabulary = Vocabulary.zoology(case["vocab_size"])
    tokens = np.array([case["tokens"]], dtype=np.int64)
    batch = Batch(tokens, answers(tokens, vocabulary, case["num_kv_pairs"]), vocabulary, case["num_kv_pairs"])
    margin = float(batch_margins(subject.recall, batch, case["dtype"], run, 1)[0])
    return Finding(margin > 0, f"least margin {margin:.6g}", {}, {"margin": margin}, case)


def _misfit(case: Any) -> str:
    """Pairs of Zoology's keys and values, and a query behind them."""
    vocabulary, context = Vocabulary.zoology(case["vocab_size"]), case["tokens"][: 2 * case["num_kv_pairs"]]
    if max(case["tokens"]) >= case["vocab_size"]:
        return f'"tokens" are below {case["vocab_size"]}'
    keys, values = context[::2], context[1::2]
    if not all(k in vocabulary.keys and v in vocabulary.values for k, v in zip(keys, values, strict=False)):
        return f'"tokens" begin with {case["num_kv_pairs"]} pairs of a key and a value'
    asked = any(token in keys for token in case["tokens"][2 * case["num_kv_pairs"] :])
    return "" if asked else '"tokens" ask for a key of the context behind it'


ZOOLOGY = Record(
    {
        "vocab_size": Whole(4, 16384),
        "num_kv_pairs": Whole(1, 1024),
        "tokens": Several(Whole(0, 16383), 3, 4096),
        "dtype": Choice(DTYPES),
    },
    together=_misfit,
)


def recall_on_zoology(
    claim: str, name: str, subject: Zoology, tier: Tier, mutants: Mapping[str, Zoology]
) -> Examination:
    """A claim's network on whole batches of sequences."""
    return Examination(
        claim=claim,
        name=name,
        kind=Kind.TESTED,
        subject=subject,
        mutants=mutants,
        tier=tier,
        look=_zoology_look,
        again=_zoology_again,
        case=ZOOLOGY,
    )
