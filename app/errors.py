"""Every error Waybill raises on purpose. Callers branch on the class, people read the message: what, where and the fix.

WaybillError
├── SettingError            an environment variable or option has a value that cannot be used
├── BrokerError             the local broker cannot be started, reached or stopped
├── TopicError              topics.yaml is wrong, or the broker's topics are not as it says
├── SchemaError             a schema file, its lock or the registry is wrong
├── DefinitionError         a flow, policy or manifest (YAML) is wrong; names file, path and the fix
├── RecordError             a record cannot be used; it goes to dead-letter with `code` and the message
│   └── NewerVersionError   a newer version of Waybill wrote it: the process leaves its lanes to that version and ends
├── LedgerError             the ledger and the inputs contradict each other: refuse to start
├── LaneError               a lane cannot go on (fenced, broker gone for good): the process ends
└── ProviderError           a provider answered with something that the port cannot express
"""

from collections.abc import Iterable
from difflib import get_close_matches


def suggest(word: str, options: Iterable[str]) -> str:
    """Return the fix for a name that is not one of `options`: the nearest one, or all of them."""
    names = {name.lower(): name for name in sorted(options)}
    near = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f"did you mean `{names[near[0]]}`?" if near else "use one of: " + ", ".join(names.values())


class WaybillError(Exception):
    """Root of the tree."""


class SettingError(WaybillError):
    pass


class BrokerError(WaybillError):
    pass


class TopicError(WaybillError):
    pass


class SchemaError(WaybillError):
    pass


class DefinitionError(WaybillError):
    """`file: path: what is wrong; the fix`."""

    def __init__(self, file: str, path: str, problem: str, fix: str = "") -> None:
        self.file, self.path, self.problem, self.fix = file, path, problem, fix
        super().__init__(f"{file}: {path}: {problem}" + (f"; {fix}" if fix else ""))


class RecordError(WaybillError):
    """A record that no retry can make usable. `code` is a closed label (it becomes a metric label and a header)."""

    def __init__(self, code: str, detail: str) -> None:
        self.code, self.detail = code, detail
        super().__init__(f"{code}: {detail}")


class NewerVersionError(RecordError):
    """A record, or the state of its order, that only a newer version of Waybill can have written. No dead letter."""


class LedgerError(WaybillError):
    pass


class LaneError(WaybillError):
    pass


class ProviderError(WaybillError):
    pass
