"""Following a scan while it is written: keys, frames, rows and chunks as they are complete.

Importing it loads no HDF5 library.
"""

from h5backends.follow import chunk_utils, utils
from h5backends.follow.chunk_source import ChunkSource
from h5backends.follow.data import Batches, DataSource
from h5backends.follow.first import DataFollower, Follower, FrameGrabber
from h5backends.follow.frames import FrameReader, SliceDict
from h5backends.follow.keys import KeyFollower, RowKeyFollower
from h5backends.follow.waiting import EndState

__all__ = [
    "Batches",
    "ChunkSource",
    "DataFollower",
    "DataSource",
    "EndState",
    "Follower",
    "FrameGrabber",
    "FrameReader",
    "KeyFollower",
    "RowKeyFollower",
    "SliceDict",
    "chunk_utils",
    "utils",
]
