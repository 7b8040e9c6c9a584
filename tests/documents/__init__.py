"""The documents: that what they say of the repository is so, and the parts of them that are written by a command."""
