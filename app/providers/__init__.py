"""One folder per provider behind one port: a manifest, pure actions, one awaiting client and a simulator."""
