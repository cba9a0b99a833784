"""A model that is run, resumed, refused, interrupted and shared: what comes out, and what stays behind."""

import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from analysis import jobs
from analysis.edits import BASE, Ablate, Site, Steer, Variant
from analysis.errors import AnalysisError, Cancelled
from analysis.models import hooks, loaded
from analysis.models.decode import Sampling

TEXT = "The sea is deep."
MIDDLE = Site(2)
LONG = 120
"""Seconds after which a wait has failed."""


@dataclass(frozen=True)
class Raising:
    """An edit that fails when it is applied, after `after` tokens of the text."""

    error: BaseException
    site: Site
    positions: str = "all"
    after: int = 0

    def apply(self, x, at):
        if at[-1] >= self.after:
            raise self.error
        return x + 1


def steered(model, site=MIDDLE, scale=3.0, seed=0) -> Variant:
    push = np.random.default_rng(seed).normal(size=model.d_model).astype(np.float32)
    return Variant("steered", (Steer(site, push, scale),))


@pytest.fixture
def nothing_stays_behind(toy):
    """Before and after: the same run bit for bit, as many hooks, and no plan in the model's thread."""
    before, count = toy.run(TEXT, read="all").values, hooks.count(toy.network)
    yield
    assert toy.worker.do(hooks._PLAN.get) is None
    assert hooks._PLAN.get() is None
    assert hooks.count(toy.network) == count
    assert np.array_equal(toy.run(TEXT, read="all").values, before)
    assert not toy.worker.do(torch.is_inference_mode_enabled)


# what a trace holds


def test_a_trace_names_its_rows_prompts_first_and_finds_them(toy):
    trace = toy.run(["ab", "abcd"], variants=(BASE, steered(toy)))
    assert [(row.prompt, row.variant) for row in trace.rows] == [
        (0, "base"), (1, "base"), (0, "steered"), (1, "steered")
    ]  # fmt: skip
    assert trace.row("steered", 1) == 3
    assert [len(tokens) for tokens in trace.tokens] == [2, 4, 2, 4]
    assert trace.values.shape == (4, 4, 4, 22)
    assert trace.mask.tolist() == [[True, True, False, False], [True] * 4] * 2
    assert trace.at(Site(1), 2).shape == (2, 22)
    assert trace.residuals(3).shape == (4, 4, 22)
    assert np.array_equal(trace.residuals(3)[2], trace.at(Site(2), 3))


def test_a_trace_cannot_be_written_to(toy):
    trace = toy.run(TEXT)
    for array in (trace.values, trace.mask, trace.at(Site(0)), trace.values[0]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_what_was_not_read_is_asked_for_in_words(toy):
    trace = toy.run(TEXT, read=[Site(1, "mlp"), Site(2), Site(2)])
    assert trace.sites == (Site(1, "mlp"), Site(2))
    with pytest.raises(AnalysisError, match="layer 3 residual was not read in this run. Ask for it"):
        trace.at(Site(3))
    with pytest.raises(AnalysisError, match=r"residual stream of every layer; layers \[2\] were read"):
        trace.residuals()
    with pytest.raises(AnalysisError, match="No row ran prompt 0 under 'erased'; the variants are base"):
        trace.row("erased")


def test_reading_more_or_less_changes_no_bit_of_what_is_read(toy):
    everything = toy.run(TEXT, read="all")
    for site in everything.sites:
        assert np.array_equal(toy.run(TEXT, read=[site]).at(site), everything.at(site))


# resuming


def test_resuming_computes_no_block_below_the_edit(toy):
    trace, ran = toy.run(TEXT), []
    watches = [
        b.register_forward_pre_hook(lambda *_, i=i: ran.append(i)) for i, b in enumerate(toy.parts.mlp, 1)
    ]
    try:
        toy.run(TEXT, variants=(steered(toy),))
        assert ran == [1, 2, 3]
        ran.clear()
        resumed = toy.rerun(trace, variants=(steered(toy),))
        assert ran == [3]
        ran.clear()
        toy.rerun(trace, variants=(steered(toy, Site(2, "mlp")),))
        assert ran == [2, 3]
        ran.clear()
        toy.rerun(trace, variants=(BASE,))
        assert ran == []
    finally:
        for watch in watches:
            watch.remove()
    assert np.array_equal(resumed.values[:2], trace.values[:2])


def test_nothing_is_computed_above_what_is_read(toy):
    ran = []
    watches = [
        b.register_forward_pre_hook(lambda *_, i=i: ran.append(i)) for i, b in enumerate(toy.parts.mlp, 1)
    ]
    try:
        for sites, blocks in (([Site(0)], []), ([Site(2), Site(1, "mlp")], [1, 2]), ([Site(3)], [1, 2, 3])):
            ran.clear()
            toy.run(TEXT, read=sites)
            assert ran == blocks
        trace = toy.run(TEXT, read=[Site(1)])
        ran.clear()
        toy.rerun(trace, read=[Site(2)], variants=(steered(toy, Site(1)),))
        assert ran == [2]
    finally:
        for watch in watches:
            watch.remove()


def test_resuming_starts_from_the_base_rows_of_an_edited_trace(toy):
    trace = toy.run(["ab", "abcd"], variants=(steered(toy, seed=1), BASE))
    wanted = toy.run(["ab", "abcd"], variants=(steered(toy), BASE))
    resumed = toy.rerun(trace, variants=(steered(toy), BASE))
    assert resumed.rows == wanted.rows
    # base stood in other rows there, and rows of one batch may differ in the last bits
    assert np.allclose(resumed.values, wanted.values, atol=1e-5 * np.abs(wanted.values).max())
    others = toy.run(["ab", "abcd"], variants=(steered(toy, seed=1), BASE))
    assert not np.allclose(resumed.values, others.values, atol=1e-2)


def test_an_edit_of_the_embedding_is_a_run_from_the_start(toy):
    edited = (BASE, steered(toy, Site(0)))
    assert np.array_equal(
        toy.rerun(toy.run(TEXT), variants=edited).values, toy.run(TEXT, variants=edited).values
    )


def test_a_trace_that_cannot_be_resumed_says_why(toy, planted):
    with pytest.raises(AnalysisError, match="read from another model"):
        toy.rerun(planted.run(TEXT), variants=(steered(toy),))
    with pytest.raises(AnalysisError, match="layer 2 residual was not read"):
        toy.rerun(toy.run(TEXT, read=[Site(3)]), variants=(steered(toy),))
    for layer in (0, 2):
        with pytest.raises(AnalysisError, match="holds no unedited run to resume from"):
            toy.rerun(toy.run(TEXT, variants=(steered(toy),)), variants=(steered(toy, Site(layer)),))


# refusing


def test_requests_that_cannot_be_met_are_refused_with_their_numbers(toy, monkeypatch):
    with pytest.raises(AnalysisError, match="No prompt was given"):
        toy.run([])
    with pytest.raises(AnalysisError, match="The prompt is empty"):
        toy.run(["a", ""])
    with pytest.raises(AnalysisError, match=r"has 1,025 tokens .*reads at most 1,024. Shorten it"):
        toy.run("Z" * 1025)
    with pytest.raises(AnalysisError, match="has no layer 4 residual: layers run from 0 to 3"):
        toy.run(TEXT, read=[Site(4)])
    with pytest.raises(AnalysisError, match="has no layer 0 attention: layers run from 1 to 3"):
        next(toy.generate(TEXT, read=[Site(0, "attention")]))
    monkeypatch.setattr(loaded, "MEMORY_SHARE", 0)
    with pytest.raises(
        AnalysisError, match=r"Reading 4 sites of \d+ tokens takes 0.0 GiB; 0.0 GiB may be used"
    ):
        toy.run(TEXT)


def test_numbers_that_are_not_finite_are_named_by_the_first_site(own_toy):
    with torch.no_grad():
        own_toy.parts.mlp[1].down_proj.weight[3, 3] = torch.nan
    assert np.isfinite(own_toy.run(TEXT, read=[Site(1)]).values).all()
    with pytest.raises(
        AnalysisError, match="float32 gives numbers that are not finite, first at layer 2 mlp"
    ):
        own_toy.run(TEXT, read="all")


def test_an_edit_that_overflows_is_refused_and_named(toy, nothing_stays_behind):
    with pytest.raises(AnalysisError, match="not finite, first at layer 2 residual"):
        toy.run(TEXT, variants=(Variant("x", (Steer(Site(2), np.full(22, 3e38, np.float32), 10.0),)),))


def test_a_closed_model_says_so(own_toy):
    own_toy.run(TEXT)
    own_toy.close()
    with pytest.raises(AnalysisError, match="This model was closed. Load it again."):
        own_toy.run(TEXT)
    with pytest.raises(AnalysisError, match="This model was closed"):
        next(own_toy.generate(TEXT))


# interrupted


ERRORS = [
    RuntimeError("broken"),
    AnalysisError("Refused."),
    Cancelled("stopped"),
    KeyboardInterrupt(),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("stream", ["residual", "attention", "mlp"])
def test_an_edit_that_raises_reaches_its_caller_and_leaves_nothing(toy, nothing_stays_behind, error, stream):
    variants = (BASE, Variant("raising", (Raising(error, Site(2, stream)),)))
    trace = toy.run(TEXT)
    for use in (
        lambda: toy.run(TEXT, variants=variants),
        lambda: toy.rerun(trace, variants=variants),
        lambda: next(toy.generate(TEXT, variants=variants)),
    ):
        with pytest.raises(type(error)) as caught:
            use()
        assert caught.value is error


def test_an_edit_that_raises_in_the_middle_of_a_text_ends_that_text_only(toy, nothing_stays_behind):
    late = Variant("late", (Raising(RuntimeError("late"), Site(2), after=len(toy.tokenize(TEXT)) + 2),))
    running = toy.generate(TEXT, variants=(BASE, late), max_new_tokens=9)
    steps = [next(running) for _ in range(3)]
    with pytest.raises(RuntimeError, match="late"):
        next(running)
    assert list(running) == []
    again = list(toy.generate(TEXT, max_new_tokens=3))
    assert [step.ids[0] for step in steps] == [step.ids[0] for step in again]


def test_a_read_out_that_raises_leaves_nothing(toy, nothing_stays_behind):
    with pytest.raises(RuntimeError):
        toy.on_worker(lambda: toy.read_out(torch.zeros(2, 5)))

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        toy.on_worker(interrupted)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_generation_closed_midway_leaves_nothing(toy, nothing_stays_behind, steps):
    running = toy.generate(TEXT, variants=(steered(toy),), max_new_tokens=50, read=(Site(1),))
    for _ in range(steps):
        next(running)
    running.close()


def test_a_cancelled_job_leaves_nothing(toy, nothing_stays_behind):
    reached = threading.Event()

    def work(report):
        for i, _ in enumerate(toy.generate(TEXT, variants=(steered(toy),), max_new_tokens=900)):
            report("writing", i, 900)
            if i == 5:
                reached.set()

    job = jobs.start("Write", work)
    assert reached.wait(LONG)
    job.cancel()
    assert job.wait(LONG)
    assert job.state == "cancelled"
    assert job.progress.done < 899


def test_a_plan_of_the_callers_thread_does_not_reach_the_model(toy, nothing_stays_behind):
    """What a caller's own context holds is not what the model's thread follows."""
    plain = toy.run(TEXT).values
    length = len(toy.tokenize(TEXT))
    ids = torch.tensor([toy.tokenize(TEXT).ids])
    logits = toy.on_worker(lambda: toy.network(ids).logits)
    edits = {Site(1): [(0, steered(toy).edits[0])]}
    with hooks.carrying_out(hooks.Plan(lengths=(length,), prompt_lengths=(length,), edits=edits)):
        assert hooks._PLAN.get() is not None
        assert np.array_equal(toy.run(TEXT).values, plain)
        assert torch.equal(toy.on_worker(lambda: toy.network(ids).logits), logits)
        with torch.inference_mode():
            assert not torch.equal(
                toy.network(ids).logits, logits
            )  # in the caller's own thread it is followed


def test_hooks_do_nothing_without_a_plan_and_a_plan_ends_with_its_block(toy, nothing_stays_behind):
    ids = torch.tensor([toy.tokenize(TEXT).ids])
    edits = {Site(1): [(0, steered(toy).edits[0])]}
    plan = hooks.Plan(lengths=(ids.shape[1],), prompt_lengths=(ids.shape[1],), edits=edits)
    plain = toy.on_worker(lambda: toy.network(ids).logits)

    def followed():
        with hooks.carrying_out(plan):
            return toy.network(ids).logits

    assert not torch.equal(toy.on_worker(followed), plain)
    assert torch.equal(toy.on_worker(lambda: toy.network(ids).logits), plain)


# shared


def test_two_generations_at_once_take_turns(toy, monkeypatch):
    """A long text must not keep a second person waiting until it ends: every token is a call of its own."""
    length, calls, do = 40, [], toy.worker.do
    alone = [step.ids for step in toy.generate(TEXT, max_new_tokens=length)]
    monkeypatch.setattr(toy.worker, "do", lambda call: [calls.append(call), do(call)][1])
    one, other = (toy.generate(TEXT, max_new_tokens=length) for _ in range(2))
    seen, texts = [0], []
    for pair in zip(one, other, strict=True):
        texts.append([step.ids for step in pair])
        seen.append(len(calls))
    assert texts == [[ids, ids] for ids in alone]
    assert all(later >= before + 2 for before, later in zip(seen, seen[1:], strict=False))


def test_results_do_not_depend_on_who_asked_before(toy):
    sampled = Sampling(temperature=1.0, seed=5)
    wanted = toy.run(TEXT, variants=(BASE, steered(toy)), read="all").values
    text = [step.ids for step in toy.generate(TEXT, sampling=sampled, max_new_tokens=5)]
    toy.run(["x", "a longer text"], variants=(Variant("a", (Ablate(Site(1), np.ones(22, np.float32)),)),))
    list(toy.generate("something else", variants=(steered(toy),), max_new_tokens=4))
    assert np.array_equal(toy.run(TEXT, variants=(BASE, steered(toy)), read="all").values, wanted)
    assert [step.ids for step in toy.generate(TEXT, sampling=sampled, max_new_tokens=5)] == text
