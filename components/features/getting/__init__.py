"""Where dictionaries come from: the shelf of this model, folders and the hub, training and fitting."""
