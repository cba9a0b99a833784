"""The part of the page where dictionaries come from: their quality, bringing, keeping, deleting."""

import io
import zipfile

import numpy as np
import pytest

from analysis import load
from analysis.dictionaries import shelf
from analysis.dictionaries.formats.sae_folder import CONFIG, WEIGHTS, write_folder
from analysis.dictionaries.shelf import Offer
from analysis.edits import Site
from components.features.getting import on_shelf, quality
from components.features.getting.on_shelf import zipped
from tests.pages.conftest import apart, asked_once  # noqa: F401
from tests.pages.driven import addressed, labelled, once, said, settled, view
from tests.planted import a_dictionary

TOY = "toy:random"
LINK = {"model": TOY, "prompt": "the sea", "lens": "logit"}


@pytest.fixture
def toy_name() -> str:
    return TOY


@pytest.fixture(autouse=True)
def nothing_ships(tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "SHIPPED", tmp_path / "shipped")
    return tmp_path / "shipped"


def offer(**card) -> Offer:
    return Offer("kept.0", "mine", Site(2), 41, "kept", card)


# ---- numbers in words


def test_quality_is_said_as_far_as_it_is_known():
    assert quality.sentence(offer()) == "Its quality has not been measured."
    known = offer(tokens=3_100_000, quality={"explained_variance": 0.834, "l0": 32.2, "loss_increase": 0.19})
    text = quality.sentence(known)
    assert text.startswith("Explains 83% of the variance with 32 features at a token")
    assert "rises by 0.19 nats" in text and "3.1 million tokens" in text
    whole = {"recovered_zero": 0.97, "recovered_mean": 0.96, "loss_increase": 0.2, "dead_share": 0.012}
    assert "97% against zero and 96% against mean ablation" in quality.sentence(offer(quality=whole))
    assert "1.2% of its features are dead" in quality.sentence(offer(quality=whole))


def test_what_saw_little_text_is_called_exploratory():
    assert "Exploratory" in quality.caution(offer(tokens=4_999_999))
    assert not quality.caution(offer(tokens=5_000_000)) and not quality.caution(offer())


def test_the_table_has_a_row_for_each_and_gaps_where_nothing_is_known():
    made = quality.table([offer(tokens=7, quality={"l0": 3.0}), offer()])
    assert made["Training tokens"].isna().tolist() == [False, True]
    assert made["Active per token (L0)"].iloc[0] == 3 and np.isnan(made["Active per token (L0)"].iloc[1])
    assert quality.table([]).empty


def test_a_zip_holds_the_two_files_as_they_are(toy, tmp_path):
    folder = write_folder(a_dictionary(toy, 2), tmp_path / "d")
    with zipfile.ZipFile(io.BytesIO(zipped(folder))) as archive:
        assert sorted(archive.namelist()) == [f"d/{CONFIG}", f"d/{WEIGHTS}"]
        assert archive.read(f"d/{WEIGHTS}") == (folder / WEIGHTS).read_bytes()


# ---- the page


def opened(choice: str = "part=get"):
    app = once(addressed(**LINK, features=choice))
    app.switch_page("pages/concepts/features.py")
    return settled(app)


def field(app, label: str):
    return next(each for each in app.text_input if each.label == label)


def test_a_folder_is_brought_kept_opened_deleted_and_brought_back(tmp_path):
    model = load(TOY)
    place = write_folder(a_dictionary(model, 2), tmp_path / "theirs")
    app = opened()
    assert "No trained dictionary" in said(app)
    labelled(app, "Bring one").click()
    settled(app)
    field(app, "Folder").set_value(str(place))
    settled(app)
    labelled(app, "Read it and try it").click()
    settled(app)
    assert any("explains" in each.value for each in app.warning)  # random directions
    assert field(app, "Keep it as").value == "theirs"
    labelled(app, "Keep it on the shelf").click()
    settled(app)
    kept = next(each for each in shelf.offered(model) if each.origin == "kept")
    assert kept.about.name == "theirs" and str(place) in kept.about.how
    labelled(app, "Open it").click()
    settled(app)
    assert view(app).features.dictionary == kept.id and view(app).features.part == "prompt"


def test_the_shelf_lists_measures_deletes_and_brings_back(monkeypatch):
    monkeypatch.setattr(on_shelf, "TEXTS", 2)
    model = load(TOY)
    kept = shelf.keep(a_dictionary(model, 2), "*mine*", card={"tokens": 9_000, "quality": {"l0": 4.0}})
    app = opened()
    text = said(app)
    assert "exploratory" in text and "4 features active at a token" in text and r"\*mine\*" in text
    labelled(app, "Measure its quality").click()
    settled(app)
    told = set(quality.figures(shelf.offer_of(model, kept.id).card))
    assert told | {"zero", "mean"} == set(
        quality.NUMBERS
    )  # those two only where such states cost this model something
    assert "nats" in said(app) and not [each for each in app.button if each.label == "Measure its quality"]
    labelled(app, "Delete").click()
    settled(app)
    assert not [each for each in shelf.offered(model) if each.origin == "kept"]
    labelled(app, "Undo").click()
    settled(app)
    assert shelf.offer_of(model, kept.id).about.name == "*mine*"


def test_a_folder_that_is_none_is_refused_in_words_and_can_be_asked_again(tmp_path):
    app = opened("part=get&also.get=bring")
    field(app, "Folder").set_value(str(tmp_path / "nowhere"))
    settled(app)
    labelled(app, "Read it and try it").click()
    settled(app)
    assert any("no folder" in each.value for each in app.warning)
    write_folder(a_dictionary(load(TOY), 2), tmp_path / "nowhere")
    labelled(app, "Read it and try it").click()
    settled(app)
    assert "Keep it as" in [each.label for each in app.text_input]
