"""Flexe: client, webhooks and simulator."""
