"""What a viewer shows: what is in a file, how to plot it, what is new. Nothing here draws."""
