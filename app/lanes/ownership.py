"""The owner of a ledger partition: the transactional id by which its lane is fenced, noted in the ledger itself.

Whoever starts a producer with a transactional id fences those that had it before. That works as long as all processes
use the same id for a lane. An installation that is given another prefix has other ids: a process that still runs with
the former one would not be fenced, and both would fold the same records. So a lane whose ledger has another owner notes
itself first, then fences the other one, then restores. A process that comes with the former id restores later than one
of the two, finds the note, and does the same: whatever their order, one of the two is fenced.
"""


def first_owner(role: str, partition: int, prefix: str) -> str:
    """Return the owner of a ledger without a note: the id that lanes have unless an installation is named.

    `prefix` is that of the ledger's topic: without it the id would be that of another installation at the same cluster.
    """
    return f"{prefix}waybill-{role}-{partition}"
