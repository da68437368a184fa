"""Comparisons with PyTorch's own networks: `make test-parity`."""
