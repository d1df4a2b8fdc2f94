"""How the pipeline bears more hotels: a queueing simulation of it, and the arithmetic of its limits."""
