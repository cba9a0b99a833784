"""Maps of states: the axes they are drawn in, how well a picture keeps what is near, and twins without content."""
