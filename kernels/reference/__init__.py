"""The backend "reference": the definition itself."""
