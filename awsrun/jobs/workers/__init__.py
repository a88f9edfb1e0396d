"""Ways to get workers: where from, from which image, how large, at what price."""
