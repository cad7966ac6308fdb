"""Parts of the h5pyd driver."""
