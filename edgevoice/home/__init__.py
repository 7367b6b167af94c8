"""The house: what there is in it, what words about it mean, and what has to be published so that it is done."""
