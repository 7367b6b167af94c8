"""The commands; ``main`` is in ``edgevoice.cli.main``."""
