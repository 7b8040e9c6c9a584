"""What a lane checks before it folds: that its ledger was not lost, and that its inputs are the topics it read from."""

import logging
from collections.abc import Mapping

from app.errors import LedgerError
from app.lanes.lane_log import Bounds, Log
from app.lanes.position import Finding, Position, Progress, compare, lost_ledger
from app.lanes.role import Role

_journal = logging.getLogger(__name__)


async def check_inputs(
    role: Role, partition: int, position: Position, log: Log, committed: Mapping[str, int | None]
) -> Mapping[str, Bounds]:
    """The bounds of each input, once the position fits them. Says in the journal what was found and what follows.

    Raises LedgerError when the group had folded more than the ledger holds.
    """
    bounds = await log.bounds([topic for topic, _ in position.items()])
    for topic, progress in position.items():
        place = f"{topic}/{partition}"
        if lost_ledger(progress, committed.get(topic), bounds[topic]):
            raise LedgerError(
                f"{role.name}-{partition}: {place} was folded up to offset {committed[topic]}, but the ledger"
                f" {role.ledger} knows of {progress.low} only: the ledger was lost or is another one. Bring it back,"
                f" or, to fold all of {topic} anew, reset the offsets of {role.name}'s consumer group to the earliest"
            )
        await _check_input(place, topic, progress, bounds[topic], log)
    return bounds


async def _check_input(place: str, topic: str, progress: Progress, bounds: Bounds, log: Log) -> None:
    """Start over on a topic that was deleted and created again: its new records must not look old."""
    before = progress.taken - 1
    last = await log.fetch(topic, before) if bounds.begin <= before < bounds.end else None
    finding = compare(progress, bounds, last)
    if finding is not Finding.SAME:
        found = "%s: %s (position %d, topic %d to %d), so it was created anew: reading it from its beginning"
        _journal.warning(found, place, finding.value, progress.taken, *bounds)
        progress.restart(bounds.begin)
    if lost := progress.forget_below(bounds.begin):
        _journal.error("%s: retention removed %d records that were not finished: %s", place, len(lost), lost[:20])
    if 0 < progress.taken < bounds.begin:
        missed = "%s: retention removed records from %d to %d before they were read"
        _journal.error(missed, place, progress.taken, bounds.begin)
