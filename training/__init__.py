"""How checkpoints are made: the recipe of the shipped stand-ins, and random ones for tests and benchmarks."""
