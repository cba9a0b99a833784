"""Dose and response on a toy with a direction that is known to write one token."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from analysis import next_token, tradeoff
from analysis.background import background, null_recipe, random_direction
from analysis.continuations import ROWS, Count, write
from analysis.directions import Direction, Probe
from analysis.edits import BASE, Site, Steer, Variant
from analysis.erasers import ERASERS
from analysis.erasers.erasure import Erasure
from analysis.erasers.projections import random_subspace
from analysis.errors import AnalysisError, Cancelled
from analysis.jobs import start
from analysis.methods.dose import DoseResponse, dose_response
from analysis.models.decode import Sampling, Step
from analysis.models.toy import PLANTED_TOKEN, planted_direction
from analysis.recipes import Dose, Recipe
from analysis.strengths import scaled

PROMPTS = ("The sea is", "He said that", "In the end")
STRENGTHS = (-0.4, -0.1, 0.0, 0.1, 0.2, 0.4)
ZERO = STRENGTHS.index(0)
LAYER = 2


@pytest.fixture(scope="module")
def usual(planted):
    return background(planted)


@pytest.fixture(scope="module")
def word(planted):
    return planted.tokenizer.find(PLANTED_TOKEN)


def probe_of(model) -> Probe:
    """Tells the planted token's embedding from that of an `e`: 1 for a text of the one, -1 of the other."""
    rows = model.on_worker(lambda: model.network.get_input_embeddings().weight.double().numpy())
    a, b = (rows[model.tokenizer.find(letter)] for letter in (PLANTED_TOKEN, "e"))
    weights = (a - b) / np.linalg.norm(a - b)
    return Probe(0, weights.astype(np.float32), float((a + b) @ weights / 2), float((a - b) @ weights / 2))


def direction_of(model, sign=1, probe=True) -> Direction:
    layers = tuple(range(model.n_layers + 1))
    return Direction(
        name="planted",
        layers=layers,
        values=np.tile(sign * planted_direction(), (len(layers), 1)),
        weights="",
        how="Made by hand.",
        source="none: it is a test",
        layer=LAYER,
        why="Any layer would do.",
        probe=probe_of(model) if probe else None,
    )


def recipe_of(direction: Direction, strength=0.2, operation="add") -> Recipe:
    return Recipe("test", (Dose(direction, strength, (LAYER, LAYER), operation),))


def erasing(rank=3) -> Erasure:
    """Takes some dimensions out, one layer below where the doses push."""
    eraser = dataclasses.replace(random_subspace(22, rank, 9), method="means")
    return Erasure("some", (LAYER - 1,), (eraser,), "", "Made by hand.")


@pytest.fixture(scope="module")
def respond(planted, usual, word):
    """`respond(recipe, ...)`: dose and response of the planted toy on short texts."""

    def run(recipe=None, prompts=PROMPTS, **settings) -> DoseResponse:
        others = [planted.tokenizer.find(letter) for letter in "eat"]
        every = {"strengths": STRENGTHS, "new_tokens": 8, "plus": [word], "minus": others} | settings
        recipe = recipe_of(direction_of(planted)) if recipe is None else recipe
        return dose_response(planted, [planted.tokenize(text) for text in prompts], recipe, usual, **every)

    return run


@pytest.fixture(scope="module")
def found(respond, planted) -> DoseResponse:
    asked = [planted.tokenize(f"ZZZZ {text}") for text in PROMPTS]
    return respond(nulls=6, asked=asked)


def curves(found: DoseResponse):
    return [found.score, found.odds, found.perplexity, found.repetition, found.kl]


# what is measured


def test_every_curve_has_one_place_per_strength_and_says_what_it_is(found):
    assert found.strengths == STRENGTHS
    for curve in curves(found):
        assert curve.axis == "strength"
        assert curve.labels == ("-0.40", "-0.10", "0.00", "0.10", "0.20", "0.40")
        assert curve.nulls.shape == (6, 6)
        assert np.isfinite(curve.values).all()
        assert np.isfinite(curve.nulls).all()
        assert curve.unit
        assert curve.provenance is found.provenance


def test_strength_0_is_the_base_exactly(found):
    for curve in curves(found):
        assert (curve.nulls[:, ZERO] == curve.values[ZERO]).all()
    assert found.kl.values[ZERO] == 0
    assert found.texts[ZERO] == found.base.texts
    assert found.score.values[ZERO] == np.float32(found.base.score)
    assert found.perplexity.values[ZERO] == np.float32(found.base.perplexity)


def test_base_texts_are_what_the_unedited_model_writes(found, planted):
    for text, wrote in zip(PROMPTS, found.base.texts, strict=True):
        steps = planted.generate(text, max_new_tokens=8)
        assert wrote.ids[wrote.prompt_length :] == tuple(step.ids[0] for step in steps)
        assert wrote.text.startswith(text)


def test_random_controls_differ_from_one_another_and_from_the_recipe(found):
    every = np.concatenate([found.odds.values[None], found.odds.nulls])[:, -1]
    assert len(set(every.tolist())) == len(every)


def test_the_planted_direction_raises_its_token_and_leaves_the_band(found, word):
    assert (np.diff(found.odds.values) > 0).all()
    assert found.odds.outside[[0, 1, 3, 4, 5]].all()
    assert (np.diff(found.odds.values[ZERO:]) > np.diff(found.odds.band[1][ZERO:])).all()
    assert all(set(text.ids[text.prompt_length :]) == {word} for text in found.texts[-1])
    assert found.score.values[-1] == pytest.approx(1, abs=1e-4)
    assert found.score.values[-1] > found.base.score


def test_a_random_recipe_stays_inside_the_band(respond, planted):
    shares = []
    for seed in (100, 200, 300):
        recipe = recipe_of(random_direction(planted, seed))
        random = respond(recipe, nulls=16, prompts=PROMPTS[:1])
        shares.append(np.mean([random.odds.outside, random.kl.outside]))
    assert np.mean(shares) < 0.25  # 2 of 17 are expected


def test_odds_and_kl_are_those_of_an_edited_pass_over_the_prompt(found, planted, usual, word):
    top, place = Site(planted.n_layers), STRENGTHS.index(0.2)
    others = [planted.tokenizer.find(letter) for letter in "eat"]
    edits = recipe_of(direction_of(planted)).edits(usual.norms)
    trace = planted.run(list(PROMPTS), read=(top,), variants=(BASE, Variant("edited", edits)))
    states = np.stack([trace.at(top, row)[-1] for row in range(6)])
    log_p = planted.on_worker(
        lambda: planted.read_out(torch.from_numpy(states)).double().log_softmax(-1).numpy()
    )
    odds = log_p[:, word] - np.log(np.exp(log_p[:, others]).sum(-1))
    bits = (np.exp(log_p[:3]) * (log_p[:3] - log_p[3:])).sum(-1) / math.log(2)
    assert found.odds.values[ZERO] == pytest.approx(odds[:3].mean(), rel=1e-4)
    assert found.odds.values[place] == pytest.approx(odds[3:].mean(), rel=1e-4)
    assert found.kl.values[place] == pytest.approx(bits.mean(), rel=1e-4)


def test_the_next_token_s_numbers_do_not_depend_on_the_chunks(planted, rng, monkeypatch):
    states = rng(0).normal(size=(7, planted.d_model)).astype(np.float32)
    whole = next_token.divergence(planted, states[0], states)
    monkeypatch.setattr(next_token, "rows_per_chunk", lambda vocabulary: 16)
    assert next_token.divergence(planted, states[0], states) == pytest.approx(whole, rel=1e-5)
    assert whole[0] == 0
    assert (whole[1:] > 0).all()
    assert next_token.divergence(planted, states[0], states[:0]).shape == (0,)
    assert np.isnan(next_token.divergence(planted, states[0], states * np.nan)).all()


def test_a_mirrored_direction_mirrors_every_curve(respond, planted):
    strengths = (-0.4, -0.1, 0.0, 0.1, 0.4)
    plain = respond(nulls=0, strengths=strengths)
    mirrored = respond(recipe_of(direction_of(planted, sign=-1)), nulls=0, strengths=strengths)
    for one, other in zip(curves(plain), curves(mirrored), strict=True):
        assert one.values == pytest.approx(other.values[::-1], rel=1e-3, abs=1e-5)


def test_strengths_may_come_in_any_order(respond, found):
    shuffled = respond(strengths=(0.2, -0.4, 0.0, 0.4, 0.1, -0.1), nulls=6)
    assert shuffled.strengths == STRENGTHS
    for one, other in zip(curves(found), curves(shuffled), strict=True):
        assert np.array_equal(one.values, other.values)


def test_without_probe_or_words_there_is_no_curve_of_them(respond, planted):
    bare = respond(recipe_of(direction_of(planted, probe=False)), nulls=1, plus=(), minus=())
    assert bare.score is bare.odds is bare.effect is bare.useful is bare.guidance is None
    assert "has no probe" in bare.guidance_missing
    assert bare.base.score is bare.base.odds is None
    assert bare.gain.odds_slope is None
    assert bare.summary.startswith("Nothing says whether")


def test_sampled_texts_repeat_with_their_seed_and_rows_share_it(respond):
    sampling = Sampling(temperature=1.0, seed=3)
    one, other = (respond(nulls=1, sampling=sampling) for _ in range(2))
    assert [text.ids for text in one.texts[-1]] == [text.ids for text in other.texts[-1]]
    assert one.texts[ZERO] == one.base.texts
    greedy = respond(nulls=1)
    assert greedy.base.texts != one.base.texts


# scaling


def test_the_strongest_dose_gets_the_strength_and_others_keep_their_proportion(planted):
    direction = direction_of(planted)
    doses = tuple(
        Dose(direction, strength, (LAYER, LAYER), operation)
        for strength, operation in ((0.1, "add"), (-0.4, "set"), (0.7, "project"))
    )
    recipe = Recipe("three", doses)
    assert [dose.strength for dose in scaled(recipe, 0.2).doses] == pytest.approx([-0.05, 0.2, 0.7])
    assert [dose.strength for dose in scaled(recipe, -0.4).doses] == [dose.strength for dose in doses]


def test_a_control_is_one_direction_followed_over_strengths(planted, usual, found, respond):
    alone = respond(nulls=0, recipe=null_recipe(recipe_of(direction_of(planted)), usual, "isotropic", 3))
    assert found.odds.nulls[3] == pytest.approx(alone.odds.values, rel=1e-3, abs=1e-4)


def test_a_component_set_to_0_is_not_the_base(respond, planted):
    recipe = recipe_of(random_direction(planted, 1), operation="set")
    found = respond(recipe, nulls=1)
    assert found.kl.values[ZERO] > 0
    assert found.gain is None
    assert "does not only add" in found.gain_missing


# erasures


def test_doses_vary_and_what_is_erased_stays_erased(respond, planted, usual):
    """At strength 0 too, which is then not the base; the controls lose a subspace of their own."""
    recipe = dataclasses.replace(recipe_of(direction_of(planted)), erasures=(erasing(),))
    assert scaled(recipe, -0.1).erasures is recipe.erasures
    found = respond(recipe, nulls=2)
    assert found.kl.values[ZERO] > 0
    assert len(set(found.kl.nulls[:, ZERO].tolist()) | {found.kl.values[ZERO]}) == 3
    edits = scaled(recipe, 0.2).edits(usual.norms)
    assert [edit.site.layer for edit in edits] == [LAYER - 1, LAYER]
    top, tokens = Site(planted.n_layers), [planted.tokenize(text) for text in PROMPTS]
    trace = planted.run(tokens, read=(top,), variants=(BASE, Variant("edited", edits)))
    states = np.stack([trace.at(top, row)[-1] for row in range(6)])
    bits = [next_token.divergence(planted, states[n], states[n + 3 : n + 4])[0] for n in range(3)]
    assert found.kl.values[STRENGTHS.index(0.2)] == pytest.approx(np.mean(bits), rel=1e-4)
    assert found.gain is None
    assert "does not only add" in found.gain_missing
    lines = dict(found.provenance.lines())
    assert lines["erasure 1"].startswith("erase some (Made by hand.), rank 3, layers 1")
    assert ERASERS["means"].source in lines["source"]


def test_what_only_erases_has_no_strength_to_vary(respond, planted):
    with pytest.raises(AnalysisError, match="The recipe only erases, so there is no strength to vary"):
        respond(Recipe("erased", erasures=(erasing(),)))
    both = dataclasses.replace(recipe_of(direction_of(planted), operation="project"), erasures=(erasing(),))
    with pytest.raises(
        AnalysisError, match="only erases and projects or reflects its directions, so there is"
    ):
        respond(both)


# what follows


def test_small_pushes_have_the_slopes_of_small_pushes(found):
    assert found.gain.kl_slope == pytest.approx(2, abs=0.15)
    assert found.gain.odds_slope == pytest.approx(1, abs=0.1)
    assert found.gain.fits
    assert found.gain.per_strength > 0
    assert found.gain.cost > 0
    assert found.gain_missing == ""


def test_guidance_is_that_of_the_curves(found):
    score, perplexity = (curve.values.astype(float) for curve in (found.score, found.perplexity))
    expected = tradeoff.guidance(STRENGTHS, score, perplexity, (found.base.score, found.base.perplexity))
    assert found.guidance.score == pytest.approx(expected.score, rel=1e-3)
    assert found.guidance.b == pytest.approx(expected.b, rel=1e-5)
    assert found.guidance_missing == ""


def test_guidance_of_too_few_strengths_says_why(respond):
    found = respond(nulls=0, strengths=(-0.1, 0.1, 0.2))
    assert found.guidance is None
    assert "needs 4 strengths" in found.guidance_missing


def test_a_text_of_one_token_is_broken_and_what_lies_before_is_useful(found):
    assert found.repetition.values[-1] == pytest.approx(5 / 6)
    assert found.perplexity.values[-2] > 3 * found.base.perplexity
    assert found.breaks_at == (None, 0.2)
    assert found.score.outside[3]
    assert found.useful == (0.1, 0.1)
    assert found.best == 0.1


def test_the_useful_side_is_the_one_the_recipe_pushes_to(respond, planted):
    down = respond(recipe_of(direction_of(planted, probe=False), strength=-0.2), nulls=4)
    assert down.effect is down.odds
    assert down.breaks_at == (None, 0.2)
    assert down.useful == (-0.4, -0.1)
    assert down.summary.startswith("From -0.10 to -0.40 the recipe moves the log-odds of the words beyond")
    assert down.best == -0.4  # where these fall furthest
    assert down.odds.values[0] == min(down.odds.values[:2])


def test_asking_is_read_by_the_same_reader_after_the_plain_prompt(found, planted, respond):
    again = respond(nulls=0, asked=[planted.tokenize(text) for text in PROMPTS])
    assert [again.asked.score, again.asked.perplexity] == pytest.approx(
        [again.base.score, again.base.perplexity], rel=1e-4
    )
    assert found.asked.texts[0].text.startswith("ZZZZ The sea is")
    assert found.asked.perplexity > found.base.perplexity  # after the plain prompt it comes as a surprise


def test_the_summary_is_plain_and_has_the_numbers(found, respond):
    assert found.summary.count(". ") <= 2
    assert "band of 6 random directions" in found.summary
    assert "simply asking gives a concept score of" in found.summary
    assert found.summary.startswith("At 0.10 the recipe moves the concept score beyond")
    assert "Text breaks at 0.20; simply asking" in found.summary
    alone = respond(nulls=0).summary
    assert alone.startswith("Without random directions nobody can say")
    assert "asking" not in alone


def test_the_provenance_holds_every_knob(found):
    lines = dict(found.provenance.lines())
    assert lines["strengths of the strongest"] == "-0.40 -0.10 0.00 0.10 0.20 0.40"
    assert lines["random controls"].startswith("6, any direction")
    assert {"seed", "new tokens", "sampling", "words", "probe", "direction 1"} <= set(lines)
    assert [lines[f"prompt {n}"] for n in (1, 2, 3)] == list(PROMPTS)
    assert lines["asking prompt 2"] == "ZZZZ He said that"
    assert "arXiv 2402.14433" in lines["source"]


# work


def test_progress_counts_the_tokens_of_all(respond):
    said = []
    respond(nulls=1, report=lambda message, done=0, total=None: said.append((message, done, total)))
    tokens = [(done, total) for message, done, total in said if "tokens" in message]
    assert tokens[0][0] == 0
    assert tokens[-1] == (3 * 11 * 8, 3 * 11 * 8)  # 3 prompts, base and 2 versions at 5 strengths, 8 tokens
    assert all(a[0] <= b[0] for a, b in zip(tokens, tokens[1:], strict=False))


def test_it_stops_within_one_token_of_being_cancelled(respond, planted, monkeypatch):
    steps, generate = [], planted.generate

    def counted(*args, **settings):
        for step in generate(*args, **settings):
            steps.append(step)
            yield step

    def report(message, done=0, total=None):
        if len(steps) == 5:
            raise Cancelled(message)

    monkeypatch.setattr(planted, "generate", counted)
    with pytest.raises(Cancelled):
        respond(report=report)
    assert len(steps) == 5


def test_a_cancelled_job_ends(respond):
    job = start("dose", lambda report: respond(new_tokens=200, nulls=8, report=report))
    job.cancel()
    assert job.wait(120)
    assert job.state == "cancelled"


def test_batches_are_bounded_and_write_what_one_row_writes(own_toy, monkeypatch, rng):
    vectors = rng(0).normal(size=(ROWS + 5, own_toy.d_model)).astype(np.float32)
    variants = [Variant(f"v{n}", (Steer(Site(1), vector),)) for n, vector in enumerate(vectors)]
    sizes, generate = [], own_toy.generate
    monkeypatch.setattr(
        own_toy, "generate", lambda *a, **k: sizes.append(len(k["variants"])) or generate(*a, **k)
    )
    prompt = own_toy.tokenize("The sea")
    monkeypatch.setattr("analysis.continuations.TOKENS", 0)
    several = write(own_toy, prompt, variants, Count(0), new_tokens=5)
    assert max(sizes) <= ROWS
    assert sum(sizes) == len(variants)
    alone = write(own_toy, prompt, variants[7:8], Count(0), new_tokens=5)
    assert several[7].ids == alone[0].ids
    assert several[7].state == pytest.approx(alone[0].state, rel=1e-4, abs=1e-4)
    monkeypatch.setattr("analysis.continuations.TOKENS", 1_024)
    sizes.clear()
    write(own_toy, prompt, variants, Count(0), new_tokens=5)
    assert sizes == [ROWS + 5]


def test_a_row_whose_numbers_overflow_is_broken_and_one_that_ends_is_not(own_toy, monkeypatch):
    """Row 1 overflows at once, row 2 after one token, row 3 writes its end token."""
    top, end = Site(own_toy.n_layers), 257
    ids = [(65, None, 65, end), (66, None, None, None), (67, None, None, None)]
    broken = [(False, True, False, False), (False, True, True, False), (False, True, True, False)]
    over = [(False, True, False, True), (False, True, True, True), (True, True, True, True)]
    states = np.ones((4, 3, own_toy.d_model), np.float32)
    states[1] = np.nan

    def generate(prompt, **settings):
        for new, ended, bad in zip(ids, over, broken, strict=True):
            yield Step(new, np.zeros(4, np.float32), {top: states}, ended, bad)

    monkeypatch.setattr(own_toy, "generate", generate)
    variants = [Variant(f"v{n}") for n in range(4)]
    written = write(own_toy, own_toy.tokenize("The"), variants, Count(0), new_tokens=3)
    assert [each.ids for each in written] == [(65, 66, 67), (), (65,), (end,)]
    assert [each.overflowed for each in written] == [False, True, True, False]


def test_an_overflow_breaks_its_strength(respond, monkeypatch):
    real = write

    def overflowing(model, prompt, variants, count, **settings):
        written = real(model, prompt, variants, count, **settings)
        return [
            dataclasses.replace(each, ids=(), overflowed=True) if variant.name == "recipe at 0.1" else each
            for variant, each in zip(variants, written, strict=True)
        ]

    monkeypatch.setattr("analysis.methods.dose.write", overflowing)
    found = respond(nulls=1, strengths=(-0.1, 0.05, 0.1))
    assert found.breaks_at[1] == 0.1
    assert np.isnan(found.score.values[-1])
    assert np.isnan(found.perplexity.values[-1])


# what is refused


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"strengths": ()}, "at least one strength other than 0; given none"),
        ({"strengths": (0.0,)}, "at least one strength other than 0; given 0.0"),
        ({"strengths": (0.1, 0.2, 0.1)}, "The strength 0.1 was given twice"),
        ({"strengths": (0.1, 1e9)}, r"A strength of 1e\+09 was given"),
        ({"strengths": (0.1, math.nan)}, "A strength of nan was given"),
        ({"prompts": ()}, "No prompt was given"),
        ({"nulls": 33}, "0 to 32 random controls"),
        ({"nulls": -1}, "0 to 32 random controls"),
        ({"kind": "loud"}, "'loud' is no kind of random direction"),
        ({"new_tokens": 3}, "4 to 512 tokens here; given 3"),
        ({"plus": [283]}, "Token 283 does not exist: this vocabulary has 283 entries"),
        ({"minus": [-1]}, "Token -1 does not exist"),
        ({"plus": [5], "minus": [5, 6]}, "stands on both sides"),
        ({"plus": ()}, "given 0 for and 3 against"),
    ],
)
def test_bad_input_is_refused_in_words(respond, settings, sentence):
    with pytest.raises(AnalysisError, match=sentence):
        respond(**settings)


def test_asking_needs_one_prompt_for_each(respond, planted):
    with pytest.raises(AnalysisError, match="3 prompts need as many that ask; given 1"):
        respond(asked=[planted.tokenize("Z")])


@pytest.mark.parametrize("operation", ["project", "reflect"])
def test_a_recipe_without_a_strength_has_nothing_to_vary(respond, planted, operation):
    with pytest.raises(
        AnalysisError, match="only projects or reflects its directions, so there is no strength"
    ):
        respond(recipe_of(direction_of(planted), operation=operation))


def test_a_recipe_of_nothing_or_at_0_is_refused(respond, planted):
    with pytest.raises(AnalysisError, match="is empty"):
        respond(Recipe("none", ()))
    with pytest.raises(AnalysisError, match="All strengths of the recipe are 0"):
        respond(recipe_of(direction_of(planted), strength=0.0))


def test_words_are_token_ids_and_a_prompt_too_long_is_refused(respond, planted):
    with pytest.raises(TypeCheckError):
        respond(plus=["Z"])
    with pytest.raises(AnalysisError, match="reads at most 1,024"):
        respond(prompts=["e" * 1_020], nulls=0)


def test_a_direction_of_another_model_is_refused(respond, planted):
    stranger = dataclasses.replace(direction_of(planted), weights="another model (1)")
    with pytest.raises(AnalysisError, match="was found in another model"):
        respond(recipe_of(stranger))
