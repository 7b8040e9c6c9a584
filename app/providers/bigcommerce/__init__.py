"""BigCommerce, Orders V2: orders are pulled, statuses are reported back."""
