"""The numeric checks, a folder a family; `registry` finds them."""
