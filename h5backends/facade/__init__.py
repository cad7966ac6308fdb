"""The facade in its layers: the file, its tree, making nodes, SWMR; joined in `backend`."""
