"""What a picture keeps of its neighbours, in words."""

from analysis.maps.quality import Quality

CLEARLY = 0.5
"""Of the way from chance to perfect: a picture that keeps less of the neighbours is not to be read for them."""


def kept_sentences(quality: Quality, point: str, among: str, beside: str = "") -> list[str]:
    """Invented and lost neighbours, the share that is kept, and a warning where that is little.

    Args:
        quality: of the picture.
        point: what a point is, as `token`.
        among: which points were compared.
        beside: what else kept how much, to stand behind chance.
    """
    sentences = [
        f"Trustworthiness {quality.trustworthiness:.2f}, continuity {quality.continuity:.2f} (1 is perfect, .5 is "
        "random).",
        f"Of each {point}'s {quality.k} nearest among {among} it keeps {quality.kept:.0%} "
        f"(chance {quality.kept_by_chance:.0%}{beside}).",
    ]
    if quality.kept - quality.kept_by_chance < CLEARLY * (1 - quality.kept_by_chance):
        sentences.append("**Read neighbours off the list, not off the picture.**")
    return sentences
