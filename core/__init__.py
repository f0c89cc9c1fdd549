"""The rules and the engine of Countersign: no I/O, no clock reads, no randomness."""
