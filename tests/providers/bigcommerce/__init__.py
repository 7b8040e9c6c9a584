"""What is odd about BigCommerce."""
