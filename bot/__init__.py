"""Front doors of Countersign and the place where everything is put together."""
