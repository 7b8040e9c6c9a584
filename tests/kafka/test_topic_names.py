"""The prefix of topics: in every request that names one, in no answer."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import aiokafka.protocol
import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.protocol.admin import CreateTopicsRequest_v3, DescribeConfigsRequest_v2, DescribeConfigsResponse_v2
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.fetch import FetchRequest_v11, FetchResponse_v11
from aiokafka.protocol.group import JoinGroupRequest_v5, JoinGroupResponse_v5, SyncGroupRequest_v3, SyncGroupResponse_v3
from aiokafka.protocol.metadata import MetadataRequest_v5, MetadataResponse_v5
from aiokafka.protocol.struct import Struct

from app.kafka.topic_names import with_prefix, without_prefix

PREFIX = "shop-a."
ACLS = {29, 30, 31, 48}
"""Requests that Waybill does not send: ACLs and quotas."""


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def sent(message: Struct) -> Any:
    """The message as the other side decodes it."""
    return type(message).decode(with_prefix(message, PREFIX).encode())


def received(message: Struct) -> Any:
    return without_prefix(type(message).decode(message.encode()), PREFIX)


def test_every_request_of_the_client_library_is_known_or_not_sent() -> None:
    for module in pkgutil.iter_modules(aiokafka.protocol.__path__):
        importlib.import_module(f"aiokafka.protocol.{module.name}")
    unknown = set()
    for kind in (*subclasses(RequestStruct), *subclasses(Response)):
        try:
            with_prefix(kind(), PREFIX)
        except NotImplementedError:
            unknown.add(kind.API_KEY)
        except TypeError:
            pass  # it has no resources or members here, and is known
    assert unknown == ACLS


def test_topics_are_asked_for_and_answered_without_those_of_others() -> None:
    assert sent(MetadataRequest_v5(["a", "b"], False)).topics == ["shop-a.a", "shop-a.b"]
    assert sent(MetadataRequest_v5(None, False)).topics is None
    topics: list[Any] = [(0, name, False, [(0, 3, 1, [1], [1], [])]) for name in ("shop-a.a", "b", "shop-b.a")]
    answer = received(MetadataResponse_v5(0, [(1, "h", 9, None)], "cluster", 1, topics))
    assert [(topic[1], len(topic[3])) for topic in answer.topics] == [("a", 1)]
    assert [tuple(broker) for broker in answer.brokers] == [(1, "h", 9, None)]


def test_a_fetch_and_its_answer() -> None:
    request = FetchRequest_v11(-1, 1, 1, 1, 1, 0, 0, [("a", [(0, -1, 5, 0, 9)])], [("b", [1])], "")
    assert [topic[0] for topic in sent(request).topics] == ["shop-a.a"]
    assert [topic[0] for topic in sent(request).forgotten_topics_data] == ["shop-a.b"]
    partition = (0, 0, 7, 7, 0, [(1, 2)], -1, b"records")
    answer = received(FetchResponse_v11(0, 0, 0, [("shop-a.a", [partition])]))
    assert answer.topics[0][0] == "a"
    assert tuple(answer.topics[0][1][0])[-1] == b"records"


def test_a_topic_that_is_created_and_one_whose_settings_are_looked_at() -> None:
    request = CreateTopicsRequest_v3([("a", 4, -1, [], [("cleanup.policy", "compact")])], 1000, False)
    assert sent(request).create_topic_requests[0][0] == "shop-a.a"
    assert [tuple(each) for each in sent(request).create_topic_requests[0][4]] == [("cleanup.policy", "compact")]
    looked = sent(DescribeConfigsRequest_v2([(2, "a", None), (4, "1", ["x"])], False))
    assert [resource[1] for resource in looked.resources] == ["shop-a.a", "1"]
    answer = received(DescribeConfigsResponse_v2(0, [(0, None, 2, "shop-a.a", []), (0, None, 4, "shop-a.1", [])]))
    assert [resource[3] for resource in answer.resources] == ["a", "shop-a.1"]


def test_what_the_members_of_a_group_tell_each_other() -> None:
    """Kafka's own tools read it, to show who has which partition."""
    mine = ConsumerProtocolMemberMetadata(0, ["a"], b"u").encode()
    asked = sent(JoinGroupRequest_v5("g", 1, 1, "m", None, "consumer", [("range", mine)]))
    theirs = asked.group_protocols[0][1]
    assert ConsumerProtocolMemberMetadata.decode(theirs).subscription == ["shop-a.a"]
    joined = received(JoinGroupResponse_v5(0, 0, 1, "range", "m", "m", [("m", None, theirs)]))
    assert joined.members[0][2] == mine
    plan = ConsumerProtocolMemberAssignment(0, [("a", [0, 1])], b"").encode()
    shared = sent(SyncGroupRequest_v3("g", 1, "m", None, [("m", plan)])).group_assignment[0][1]
    assert ConsumerProtocolMemberAssignment.decode(shared).assignment[0][0] == "shop-a.a"
    assert received(SyncGroupResponse_v3(0, 0, shared)).member_assignment == plan
    assert received(SyncGroupResponse_v3(0, 0, b"")).member_assignment == b""


def test_a_request_that_is_not_known_is_not_sent_with_names_as_they_are() -> None:
    kind = next(kind for kind in subclasses(RequestStruct) if kind.API_KEY in ACLS)
    with pytest.raises(NotImplementedError, match="does not know its topics"):
        with_prefix(kind(), PREFIX)
