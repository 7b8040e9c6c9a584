"""How a Kafka cluster is reached: one value that every client is made from."""

from dataclasses import dataclass

from app.settings import Settings


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """Where the cluster is. As text it is the addresses alone, for sentences."""

    servers: str
    """host:port of brokers, by commas."""

    @classmethod
    def of(cls, settings: Settings) -> "ClusterAccess":
        """Return the cluster of the settings."""
        return cls(settings.bootstrap_servers)

    def __str__(self) -> str:
        return self.servers
