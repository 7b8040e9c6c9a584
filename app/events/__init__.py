"""The vocabulary: what each event carries (model), where it travels (catalog) and how it is written (codec)."""
