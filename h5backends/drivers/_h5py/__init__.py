"""Parts of the h5py driver."""
