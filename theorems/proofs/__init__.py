"""What a proof is made of: steps, how each is decided, and how a proof is written."""
