"""Checks of a lane that opens: its ledger is whole and its own, and its inputs are the topics that it was reading."""

import logging
from collections.abc import Mapping

from app.errors import LedgerError
from app.lanes.lane_log import Bounds, Log
from app.lanes.position import Finding, Position, Progress, compare, lost_ledger
from app.lanes.role import Role

_journal = logging.getLogger(__name__)


def check_partitions(role: Role, partition: int, stored: int, partitions: int) -> None:
    """Raise LedgerError when the ledger was written by another number of lanes; 0 stands for an unknown one."""
    if stored not in (0, partitions):
        raise LedgerError(
            f"{role.name}-{partition}: the ledger {role.ledger} was written with {stored} partitions, now there are"
            f" {partitions}. The state of a key lies in the partition of that key, and another one knows nothing of it:"
            f" set WAYBILL_PARTITIONS to {stored}, and make topics that have more anew, with {stored}"
        )


async def check_inputs(
    role: Role, partition: int, position: Position, log: Log, committed: Mapping[str, int | None]
) -> Mapping[str, Bounds]:
    """Make the position fit the inputs, and return the bounds of each. What does not fit is logged.

    Raises LedgerError when the group had folded more than the ledger holds, or the ledger has lost its beginning.
    """
    topics = [topic for topic, _ in position.items()]
    bounds = await log.bounds([*topics, role.ledger])
    if begin := bounds[role.ledger].begin:
        raise LedgerError(
            f"{role.name}-{partition}: {role.ledger}/{partition} begins at offset {begin}: somebody deleted records of"
            " it (compaction never does), so states are lost. Bring the ledger back, its cleanup.policy compact alone;"
            " or, to fold the inputs anew, delete it, run `waybill topics apply` and reset the offsets of"
            f" {role.name}'s consumer group to the earliest"
        )
    for topic, progress in position.items():
        place = f"{topic}/{partition}"
        if lost_ledger(progress, committed.get(topic), bounds[topic]):
            raise LedgerError(
                f"{role.name}-{partition}: {place} was folded up to offset {committed[topic]}, but the ledger"
                f" {role.ledger} knows of {progress.low} only: the ledger was lost or is another one. Bring it back,"
                f" or, to fold all of {topic} anew, reset the offsets of {role.name}'s consumer group to the earliest"
            )
        await _check_input(place, topic, progress, bounds[topic], log)
    return {topic: bounds[topic] for topic in topics}


async def _check_input(place: str, topic: str, progress: Progress, bounds: Bounds, log: Log) -> None:
    """Start over on a topic that was deleted and created again: its new records must not look old."""
    before = progress.high - 1
    last = await log.fetch(topic, before) if bounds.begin <= before < bounds.end else None
    finding = compare(progress, bounds, last)
    if finding is not Finding.SAME:
        sentence = "%s: %s (position %d, topic %d to %d), so it was created anew: reading it from its beginning"
        _journal.warning(sentence, place, finding.value, progress.high, *bounds)
        progress.restart(bounds.begin)
    if lost := progress.forget_below(bounds.begin):
        _journal.error("%s: retention removed %d records that were not finished: %s", place, len(lost), lost[:20])
    if 0 < progress.high < bounds.begin:
        sentence = "%s: retention removed records from %d to %d before they were read"
        _journal.error(sentence, place, progress.high, bounds.begin)
