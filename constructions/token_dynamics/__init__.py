"""Token dynamics: the system on any number field, integrators, the two refinements, and phase pictures."""
