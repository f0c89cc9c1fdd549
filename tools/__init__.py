"""What Countersign can do: one tool a file, and the catalogue of them. Tools know core and nothing else."""
