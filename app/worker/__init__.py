"""A worker process: Faust's transport, the composition of roles and parts, HTTP, webhooks and metrics."""
