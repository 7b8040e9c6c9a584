"""The main job: orders through the real broker and real HTTP, judged by an observer that shares no code with the
agents."""
