"""Parts of the PyTables driver."""
