"""What is odd about Finance + Operations."""
