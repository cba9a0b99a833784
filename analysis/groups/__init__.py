"""Questions about a group of points against the rest: who is near, what they share, what they would say next."""
