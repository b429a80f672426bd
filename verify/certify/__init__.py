"""Certificates: what holds of stated sizes, of the shipped weights, for all inputs."""
