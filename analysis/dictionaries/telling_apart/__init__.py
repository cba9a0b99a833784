"""Which features tell two kinds of texts apart, and whether they do it better than chance."""
