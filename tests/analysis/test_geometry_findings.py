"""What papers report is found in curves that have it, and in no others: every rule can fail."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from analysis.geometry.cloud import Cloud, standard_normal
from analysis.geometry.compared import Compared
from analysis.geometry.findings import Rule, Size, judged
from analysis.geometry.measure import Found, Measure
from analysis.geometry.measures import measure
from analysis.geometry.reported import REPORTED, STRONGEST, look
from analysis.geometry.shapes import chance_of, depth, mean_between, rank_correlation, turn
from analysis.geometry.smoothness import SAME, across_halves
from analysis.methods.geometry import Measured, measured
from analysis.results import Bounds, LayerCurve, Provenance

FLAT = np.full(11, 2.0)
VALLEY = np.array([4, 4, 3.5, 3, 2, 2, 2, 3, 3.5, 4, 4])
PEAK = 6 - VALLEY


def curve(id: str, values, layers=None, **beside) -> Measured:
    """A curve drawn by hand."""
    values = np.array(values, np.float32)
    layers = tuple(range(len(values))) if layers is None else tuple(layers)
    made = Measure(
        id=id, title=id, question="kept", meaning="", formula="", source="", misleads_when="", unit="u",
        bounds=Bounds(None, None), at=lambda given, layer, params: Found(0.0),
    )  # fmt: skip
    origin = Provenance("m", "r", "float32", id, "", "")
    held = {name.replace("_", " "): np.array(each, np.float32) for name, each in beside.items()}
    drawn = LayerCurve(id, "u", Bounds(None, None), origin, values[None], ("m",))
    return Measured(made, made.params(), "m", 100, layers, drawn, None, held, ())


def compared(id: str, own, untrained=None, shuffled=(), gaussian=None) -> Compared:
    def made(values):
        return None if values is None else curve(id, values)

    return Compared(made(own), tuple(map(made, shuffled)), made(untrained), made(gaussian))


def verdict(id: str, *curves: Compared) -> str:
    return finding(id, *curves).verdict


def finding(id: str, *curves: Compared):
    return next(each for each in look({one.base.measure.id: one for one in curves}) if each.id == id)


def layers(values) -> np.ndarray:
    return np.arange(len(values), dtype=np.int64)


def test_a_valley_is_as_deep_as_its_lower_side_says():
    values = np.array([4.0, 3, 2, 3, 8])
    found = turn(layers(values), values, "valley")
    assert (found.layer, found.size) == (2, pytest.approx((4 - 2) / 4))
    assert turn(layers(values), values, "peak").size == 0


def test_a_peak_is_as_high_as_its_higher_side_says():
    values = np.array([1.0, 5, 4, 3, 2])
    found = turn(layers(values), values, "peak")
    assert (found.layer, found.size) == (1, pytest.approx((5 - 2) / 5))


def test_a_curve_that_only_rises_does_not_turn():
    values = np.arange(1.0, 12)
    assert turn(layers(values), values, "valley").size == turn(layers(values), values, "peak").size == 0


def test_a_turn_outside_the_part_is_not_one():
    values = np.array([1.0, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    assert turn(layers(values), values, "peak", (0.2, 1.0)).size == 0


def test_depth_runs_from_none_to_all_and_means_are_over_a_part():
    assert depth(np.array([2, 4, 6])).tolist() == [0, 0.5, 1]
    assert mean_between(np.arange(5), np.array([1.0, 2, 3, 4, 5]), 0.25, 0.5) == 2.5
    assert np.isnan(mean_between(np.arange(2), np.array([1.0, 2]), 0.4, 0.6))


def test_rank_correlation_by_hand_and_with_ties():
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([10.0, 20, 15])) == pytest.approx(0.5)
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([9.0, 4, 1])) == -1
    assert rank_correlation(np.array([1.0, 1, 2]), np.array([1.0, 1, 5])) == pytest.approx(1)
    assert np.isnan(rank_correlation(np.ones(3), np.arange(3.0)))


def test_rank_correlation_is_scipys(rng):
    a, b = rng(0).integers(0, 6, 30).astype(float), rng(1).standard_normal(30)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_chance_is_the_share_of_orders_that_do_as_well():
    order = np.arange(4.0)
    assert chance_of(order, order, draws=20_000) == pytest.approx(1 / 24, abs=0.006)
    assert chance_of(order, -order) == 1
    assert chance_of(np.arange(30.0), np.arange(30.0), draws=99) == 0.01


RULE = Rule(0.2, ("untrained",), "it")


def sized(measured: Measured) -> Size:
    return Size(float(measured.values[0]), "so much")


@pytest.mark.parametrize(
    "own, untrained, said",
    [
        (0.5, 0.1, "found"),
        (0.5, 0.39, "found"),
        (0.5, 0.41, "not found"),
        (0.1, 0.0, "not found"),
        (0.1, None, "not found"),
        (0.5, None, "cannot tell"),
        (np.nan, 0.0, "cannot tell"),
    ],
)
def test_an_effect_must_be_large_and_not_the_controls(own, untrained, said):
    one = compared("x", [own] * 6, None if untrained is None else [untrained] * 6)
    assert judged(one, sized, RULE)[0] == said


def test_a_control_that_does_not_decide_is_told_only():
    one = compared("x", [0.5] * 6, [0.1] * 6, shuffled=([0.6] * 6, [0.4] * 6))
    said, sentence = judged(one, sized, RULE)
    assert (
        said == "found"
        and "shuffled tokens 40% to 60%" in sentence
        and "random-weights model 10%" in sentence
    )


def test_every_claim_is_told_apart_and_has_its_source():
    assert len({each.id for each in REPORTED}) == len(REPORTED)
    assert all("arXiv" in each.source and each.claim.endswith(".") for each in REPORTED)


def test_nothing_can_be_told_of_nothing():
    found = look({})
    assert len(found) == len(REPORTED)
    assert all(each.verdict == "cannot tell" and "Not measured" in each.sentence for each in found)


@pytest.mark.parametrize("id, measures", [(each.id, each.measures) for each in REPORTED])
def test_two_layers_are_no_curve(id, measures):
    short = [compared(each, [1.0, 2.0], [1.0, 2.0], gaussian=[1.0, 2.0]) for each in measures]
    if id in ("linear", "spiral", "orthogonal", "rogue"):  # these are medians, which two layers have
        return
    assert verdict(id, *short) == "cannot tell"


@pytest.mark.parametrize("own", [VALLEY, PEAK])
def test_entropy_turns_or_does_not(own):
    assert verdict("middle_entropy", compared("prompt_entropy", own, FLAT)) == "found"
    assert verdict("middle_entropy", compared("prompt_entropy", own, own)) == "not found"
    assert verdict("middle_entropy", compared("prompt_entropy", own)) == "cannot tell"
    assert verdict("middle_entropy", compared("prompt_entropy", np.arange(11.0), FLAT)) == "not found"


def test_a_turn_near_an_end_is_not_in_the_middle():
    late = [4, 4, 4, 4, 4, 4, 4, 4, 4, 2, 4]
    found = finding("middle_entropy", compared("prompt_entropy", late, FLAT))
    assert found.verdict == "not found" and "no valley at 20% to 80% of the depth" in found.sentence


def test_the_sentence_says_which_turn_and_how_large():
    said = finding("middle_entropy", compared("prompt_entropy", VALLEY, FLAT)).sentence
    assert "valley at layer 4, 2: 50%" in said and "random-weights model 0%" in said


def test_the_hunchback_needs_real_text_and_training():
    early = [2, 8, 10, 8, 6, 4, 3, 3, 3, 3, 3]
    late = early[::-1]
    assert verdict("hunchback", compared("twonn", early, FLAT, shuffled=(FLAT, FLAT))) == "found"
    assert verdict("hunchback", compared("twonn", early, FLAT, shuffled=(early,))) == "not found"
    assert verdict("hunchback", compared("twonn", early, early)) == "not found"
    assert verdict("hunchback", compared("twonn", late, FLAT)) == "not found"
    assert verdict("hunchback", compared("twonn", early)) == "cannot tell"


def test_straightening_is_a_fall_to_the_middle():
    falls = np.linspace(2.1, 1.7, 11)
    assert verdict("straightening", compared("curvature", falls, FLAT, shuffled=(FLAT,))) == "found"
    assert verdict("straightening", compared("curvature", falls, falls)) == "not found"
    assert verdict("straightening", compared("curvature", falls[::-1], FLAT)) == "not found"
    assert verdict("straightening", compared("curvature", falls)) == "cannot tell"


def rogue(own, untrained=None, mean=0.5) -> Compared:
    def made(share):
        return curve("mean_cosine", [mean] * 6, **{STRONGEST.replace(" ", "_"): [share * mean] * 6})

    return Compared(made(own), untrained=None if untrained is None else made(untrained))


def test_rogue_dimensions_make_a_part_of_the_cosine():
    assert verdict("rogue", rogue(0.6, 0.02)) == "found"
    assert verdict("rogue", rogue(0.03, 0.02)) == "not found"
    assert verdict("rogue", rogue(0.6, 0.6)) == "not found"
    assert verdict("rogue", rogue(0.6)) == "cannot tell"
    assert verdict("rogue", Compared(curve("mean_cosine", [3] * 6))) == "cannot tell"
    assert "makes 60.0% of the mean cosine 0.50" in finding("rogue", rogue(0.6, 0.02)).sentence


def test_nothing_dominates_a_cosine_that_is_not_there():
    assert verdict("rogue", rogue(0.6, 0.02, mean=0.01)) == "not found"


def test_linear_steps_beat_chance_and_outliers_are_told_apart():
    line, chance = [np.nan, *[0.95] * 6], [np.nan, 0.05]
    assert verdict("linear", compared("linearity", line, gaussian=chance)) == "found"
    assert verdict("linear", compared("linearity", line, gaussian=[np.nan, 0.94])) == "not found"
    assert verdict("linear", compared("linearity", line)) == "cannot tell"
    bent = [np.nan, *[0.7] * 6]
    own = Compared(
        curve("linearity", bent), gaussian=curve("linearity", chance), outliers=curve("linearity", line)
    )
    found = finding("linear", own)
    assert found.verdict == "not found" and "0.700" in found.sentence and "0.950" in found.sentence


def spiral(axes: float, noise: float | None, near: float, same: float) -> tuple[Compared, Compared]:
    smooth = curve("position_smoothness", [near] * 6, **{SAME.replace(" ", "_"): [same] * 6})
    return compared("position_rank", [axes] * 6, gaussian=None if noise is None else [noise] * 2), Compared(
        smooth
    )


def test_a_spiral_is_flat_and_smooth():
    assert verdict("spiral", *spiral(5, 50, 0.6, 0.7)) == "found"
    assert verdict("spiral", *spiral(30, 50, 0.6, 0.7)) == "not found"
    assert verdict("spiral", *spiral(5, 50, 0.1, 0.7)) == "not found"
    assert verdict("spiral", *spiral(5, 50, 0.02, 0.03)) == "cannot tell"
    assert verdict("spiral", *spiral(5, None, 0.6, 0.7)) == "cannot tell"


def orthogonal(cosine: float, share: float, noise: float | None) -> tuple[Compared, Compared]:
    return compared("position_context_cosine", [cosine] * 6, [0.2] * 6), compared(
        "position_share", [share] * 6, gaussian=None if noise is None else [noise] * 2
    )


def test_orthogonality_counts_where_positions_are_more_than_noise():
    assert verdict("orthogonal", *orthogonal(0.05, 0.2, 0.02)) == "found"
    assert verdict("orthogonal", *orthogonal(0.5, 0.2, 0.02)) == "not found"
    assert verdict("orthogonal", *orthogonal(0.05, 0.02, 0.02)) == "cannot tell"
    assert verdict("orthogonal", *orthogonal(0.05, 0.2, None)) == "cannot tell"
    assert "(random-weights model: 0.20)" in finding("orthogonal", *orthogonal(0.05, 0.2, 0.02)).sentence


def test_states_are_most_alike_at_the_end_or_not():
    rises = np.linspace(0.1, 0.9, 11)
    assert verdict("last_cosine", compared("mean_cosine", rises, FLAT * 0)) == "found"
    assert verdict("last_cosine", compared("mean_cosine", rises, rises)) == "not found"
    assert verdict("last_cosine", compared("mean_cosine", rises[::-1], FLAT * 0)) == "not found"
    assert verdict("last_cosine", compared("mean_cosine", rises)) == "cannot tell"


def test_one_direction_dominates_in_the_middle_or_not():
    assert verdict("bell", compared("anisotropy", PEAK / 8, FLAT / 8)) == "found"
    assert verdict("bell", compared("anisotropy", VALLEY / 8, FLAT / 8)) == "not found"
    assert verdict("bell", compared("anisotropy", PEAK / 8, PEAK / 8)) == "not found"
    assert verdict("bell", compared("anisotropy", PEAK / 8)) == "cannot tell"


def test_middle_blocks_are_idle_or_not():
    steps = [np.nan, 0.5, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.4]
    even = [np.nan, *[0.2] * 9]
    assert verdict("idle_middle", compared("block_influence", steps, even)) == "found"
    assert verdict("idle_middle", compared("block_influence", steps, steps)) == "not found"
    assert verdict("idle_middle", compared("block_influence", even, steps)) == "not found"
    assert verdict("idle_middle", compared("block_influence", steps)) == "cannot tell"


def test_influence_tells_what_skipping_costs_or_not(rng):
    influence = compared("block_influence", [np.nan, *np.linspace(0.1, 0.9, 12)])
    ordered = compared("skip_cost", [np.nan, *np.linspace(0, 1, 12) ** 2])
    assert verdict("influence_tells_cost", influence, ordered) == "found"
    reversed_ = compared("skip_cost", [np.nan, *np.linspace(1, 0, 12)])
    assert verdict("influence_tells_cost", influence, reversed_) == "not found"
    assert (
        verdict("influence_tells_cost", influence, compared("skip_cost", [np.nan, *[0.5] * 12]))
        == "cannot tell"
    )


def test_chance_orders_are_rarely_taken_for_a_rule(rng):
    said = [
        verdict(
            "influence_tells_cost",
            compared("block_influence", [np.nan, *rng(seed).random(20)]),
            compared("skip_cost", [np.nan, *rng(seed + 100).random(20)]),
        )
        for seed in range(20)
    ]
    assert said.count("found") <= 4


SMOOTHNESS = measure("position_smoothness")


def cloud_of(states: np.ndarray) -> Cloud:
    """A cloud of one layer from (text, position, d_model)."""
    texts, positions, _ = states.shape
    count = texts * positions
    return Cloud(
        name="made", layers=(0,), values=states.reshape(1, count, -1).astype(np.float32), rows=np.arange(count),
        text=np.repeat(np.arange(texts), positions), position=np.tile(np.arange(1, positions + 1), texts),
        token=np.zeros(count, np.int64), shown=("x",) * count,
    )  # fmt: skip


def test_a_planted_spiral_is_smooth_and_a_planted_scatter_is_not(rng, toy):
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    noise = rng(0).standard_normal((40, 24, 20))
    circle = np.zeros((24, 20))
    circle[:, 0], circle[:, 1] = 4 * np.cos(angle), 4 * np.sin(angle)
    scatter = 4 * rng(1).standard_normal((24, 20)) / np.sqrt(10)
    smooth = SMOOTHNESS.at(cloud_of(noise + circle), 0, SMOOTHNESS.params())
    rough = SMOOTHNESS.at(cloud_of(noise + scatter), 0, SMOOTHNESS.params())
    # cosines on a circle: cos of one step, less the mean of cos over the far half
    step = 2 * np.pi / 24
    apart = np.subtract.outer(angle, angle)
    far = np.cos(apart)[np.abs(np.subtract.outer(range(24), range(24))) >= 12].mean()
    assert smooth.value == pytest.approx(np.cos(step) - far, abs=0.12)
    assert abs(rough.value) < 0.15 and rough.beside[SAME] > 0.8
    null = standard_normal(cloud_of(noise), 3)
    assert abs(SMOOTHNESS.at(null, 0, SMOOTHNESS.params()).value) < 0.1


def test_smoothness_does_not_mind_rotation_scale_and_shift(rng):
    states = rng(2).standard_normal((12, 10, 6)) + np.linspace(0, 3, 10)[None, :, None]
    turned = np.linalg.qr(rng(3).standard_normal((6, 6)))[0]
    one, other = (
        SMOOTHNESS.at(cloud_of(each), 0, SMOOTHNESS.params()).value
        for each in (states, 5 * states @ turned + 7)
    )
    assert one == pytest.approx(other, abs=1e-4)


def test_cosines_across_halves_by_hand():
    path = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    assert across_halves(path, path) == pytest.approx((1, 0, -2 / 3))


def test_too_few_texts_are_refused_in_words(toy):
    made = cloud_of(np.ones((2, 12, 4)))
    with pytest.raises(Exception, match="8"):
        measured(toy, made, SMOOTHNESS)
