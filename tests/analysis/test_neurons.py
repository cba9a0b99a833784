"""The MLP's neurons: read where its last map reads them, changed one by one, refused where there are none."""

import numpy as np
import pytest
import torch

from analysis.edits import BASE, SetComponent, Site, Variant
from analysis.errors import AnalysisError

TEXTS = ("The sea is deep.", "I see")


def axis(model, neuron: int) -> np.ndarray:
    return np.eye(model.n_neurons, dtype=np.float32)[neuron]


def test_the_last_map_of_the_mlp_makes_its_output_of_them(family):
    model = family.model
    if not model.neuron_sites():
        assert model.n_neurons == 0
        with pytest.raises(AnalysisError, match="keeps its neurons in experts, which cannot be read"):
            model.run("x", read=(Site(1, "neurons"),))
        return
    trace = model.run("The sea is deep.", read=(*model.neuron_sites(), *model.write_sites()))
    for site, reader, mlp in zip(model.neuron_sites(), model.parts.neurons, model.parts.mlp, strict=True):
        assert trace.at(site).shape == (len(trace.tokens[0]), model.n_neurons)
        written = reader(torch.from_numpy(trace.at(site).copy()))
        if model.parts.layout.mlp.endswith("layernorm"):
            written = mlp(written)
        expected = trace.at(Site(site.layer, "mlp"))
        off = np.abs(written.numpy() * model.parts.write_scale - expected).max() / np.abs(expected).max()
        assert off < 1e-5


def test_padding_is_zero_and_a_batch_reads_what_one_text_alone_does(toy):
    site = Site(2, "neurons")
    both = toy.run(TEXTS, read=(site,))
    assert both.values.shape[0] == 0
    assert not both.neurons[site][1, len(both.tokens[1]) :].any()
    for row, text in enumerate(TEXTS):
        assert np.allclose(both.at(site, row), toy.run(text, read=(site,)).at(site), atol=1e-5)
    with pytest.raises(ValueError, match="read-only"):
        both.neurons[site][:] = 0


def test_reading_them_changes_nothing(toy):
    alone = toy.run(TEXTS[0]).values
    beside = toy.run(TEXTS[0], read=(*toy.residual_sites(), *toy.neuron_sites()))
    assert np.array_equal(alone, beside.values)


def test_one_neuron_is_set_and_its_column_is_what_leaves_the_stream(toy):
    site, neuron = Site(2, "neurons"), 5
    off = Variant("off", (SetComponent(site, axis(toy, neuron), 0.0),))
    sites = (site, Site(1), Site(2))
    trace = toy.run(TEXTS[0], read=sites, variants=(BASE, off))
    before, after = trace.at(site), trace.at(site, 1)
    assert not after[:, neuron].any() and before[:, neuron].any()
    assert np.allclose(np.delete(after, neuron, 1), np.delete(before, neuron, 1), atol=1e-6)
    column = toy.parts.neurons[1].weight[:, neuron].numpy()
    gone = trace.at(Site(2)) - trace.at(Site(2), 1)
    assert np.allclose(gone, np.outer(before[:, neuron], column), atol=1e-4)
    assert np.allclose(trace.at(Site(1)), trace.at(Site(1), 1), atol=1e-5)


def test_a_vector_of_the_streams_width_is_refused_there(toy):
    wrong = SetComponent(Site(1, "neurons"), np.ones(toy.d_model, np.float32))
    with pytest.raises(AnalysisError, match=f"at layer 1 neurons needs vectors of {toy.n_neurons} numbers"):
        toy.run("x", variants=(Variant("wrong", (wrong,)),))
    with pytest.raises(AnalysisError, match="has no layer 0 neurons: layers run from 1 to"):
        toy.run("x", read=(Site(0, "neurons"),))
