"""Learning sparse dictionaries by gradient descent, in runs that survive being killed."""
