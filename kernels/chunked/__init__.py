"""The backend "torch": SSD in chunks, in whole-tensor operations."""
