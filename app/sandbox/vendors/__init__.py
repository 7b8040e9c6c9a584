"""Simulators: every vendor as a real HTTP server, found through the manifests of the providers.

A folder has the name of its provider and holds `open_simulator(world, setup)`. Nothing outside it knows that name. The
same file has the same role in each folder that needs one:

    server              paths, credentials, limits and errors; `open_simulator`
    access              credentials, tokens and sessions, where they are more than a comparison
    payloads            the vendor's JSON bodies: what is taken, and how records are shown
    entities, schema    the same for OData: entity types with their fields, and the values that fields take
    odata               routes of OData; `query` reads its options, `filter` its $filter, `metadata` writes $metadata
    order_store         the orders (and invoices) that the vendor has, and every change to them
    progression         what happens to an order by itself, stage by stage, after delays that tests set
    outgoing_webhooks   what the vendor pushes: who hears of what, bodies and signatures
    control             the part of the control plane that only this vendor has: what its people do

What all of them share: `host` serves them in one process, `simulation` holds journal, faults, quotas and schedule,
`simulation_http` admission and the control plane under /_sim, `simulation_webhooks` the sender of webhooks.
"""
