"""How a Kafka cluster is reached: one value that every client is made from."""

from dataclasses import dataclass, field

from app.kafka.security import ClusterSecurity
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """Where the cluster is, how connections are secured, and what is ours in it. As text it is the addresses."""

    servers: str
    """host:port of brokers, by commas."""
    security: ClusterSecurity = field(default_factory=ClusterSecurity)
    prefix: str = ""
    """What stands before the name of every topic on the brokers, and before no name in this process."""
    owner: str = "waybill"
    """What consumer groups and transactional ids begin with, with the prefix."""

    @classmethod
    def of(cls, settings: Settings) -> "ClusterAccess":
        """Return the cluster of the settings. Raises SettingError when they do not go together."""
        security = ClusterSecurity.of(settings)
        return cls(settings.bootstrap_servers, security, prefix=settings.prefix, owner=settings.owner)

    def __str__(self) -> str:
        return self.servers
