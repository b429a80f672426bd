"""From named channels to weights: what to build, the blocks that hold it, and why one cannot."""
