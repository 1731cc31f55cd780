"""Vendors: one adapter for each way to talk to a model."""
