"""transformers' own common tests, run on our classes: `make test-transformers-suite`."""
