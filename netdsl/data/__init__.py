"""Labelled images: read, split, changed at random, and cut into batches."""
