"""The backend "cpu": compiled loops over vectors of states."""
