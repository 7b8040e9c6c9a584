"""Providers behind one port, a folder each: a manifest, pure files for what goes in and out, a client that waits."""
