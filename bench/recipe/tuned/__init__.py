"""The recipe by someone who knows how: the same two routes, without what costs and is not needed."""
