"""`make torture`: every test of the catalogue at its full size, each file in a process of its own."""
