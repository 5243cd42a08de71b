"""Topics as declared: made once, however often and by however many at a time."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace

import pytest

from pipeline.errors import LogUnavailable, Misconfigured
from pipeline.kafka.provision import existing, provision
from pipeline.settings import KafkaSettings
from schemas.catalogue import changelog, changelog_of
from schemas.clustering.topics import CLUSTERS, OBSERVED
from schemas.state import State
from schemas.topic import Topic
from tests.pipeline.kafka.topics import NOBODY, Topics


def own(topic: Topic) -> Topic:
    return replace(topic, name=f"t{uuid.uuid4().hex[:10]}.{topic.name}")


def test_what_is_missing_is_made_as_declared(kafka: KafkaSettings, topics: Topics) -> None:
    stateful, compacted, single = own(OBSERVED), own(CLUSTERS), replace(own(CLUSTERS), partitions=1)
    wanted = [stateful, compacted, single]
    names = {stateful.name, changelog(stateful), compacted.name, single.name}
    assert set(provision(kafka, wanted)) == names
    made = {topic.name: topic.partitions for topic in existing(kafka) if topic.name in names}
    assert made == {stateful.name: 3, changelog(stateful): 3, compacted.name: 3, single.name: 1}
    for topic in wanted:
        held = topics.config(topic.name)
        assert {name: held[name] for name in topic.settings} == topic.settings


def test_a_changelog_keeps_the_last_quarter_of_an_hour_whole(kafka: KafkaSettings, topics: Topics) -> None:
    stateful = own(OBSERVED)
    provision(kafka, [stateful])
    held = topics.config(changelog(stateful))
    assert held["cleanup.policy"] == "compact"
    assert int(held["min.compaction.lag.ms"]) == 15 * 60 * 1000
    assert int(held["max.compaction.lag.ms"]) > int(held["min.compaction.lag.ms"])
    assert int(held["max.message.bytes"]) == 8 * 1024 * 1024


def test_a_state_has_its_inputs_a_changelog_and_the_order_of_its_inputs(kafka: KafkaSettings) -> None:
    left, right = own(OBSERVED), own(OBSERVED)
    state = State(f"s{uuid.uuid4().hex[:10]}", (replace(left, stateful=False), replace(right, stateful=False)))
    again = replace(left, stateful=False)  # whoever names a topic twice, gets it once
    made = provision(kafka, [again], [state])
    assert sorted(made) == sorted([left.name, right.name, state.sequence.name, changelog_of(state.name)])


def test_a_second_time_nothing_is_made(kafka: KafkaSettings) -> None:
    wanted = [own(OBSERVED), own(CLUSTERS)]
    provision(kafka, wanted)
    assert provision(kafka, wanted) == []


def test_two_may_do_it_at_a_time(kafka: KafkaSettings) -> None:
    wanted = [own(OBSERVED) for _ in range(10)]
    failures: list[BaseException] = []
    ready = threading.Barrier(4)

    def run() -> None:
        ready.wait()
        try:
            provision(kafka, wanted)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert {topic.name for topic in wanted} <= {topic.name for topic in existing(kafka)}


def test_other_partitions_than_set_are_the_operators_fault_and_nothing_is_made(kafka: KafkaSettings) -> None:
    held, missing = own(OBSERVED), own(CLUSTERS)
    provision(kafka, [held])
    with pytest.raises(Misconfigured, match="has 3 partitions where 5 are set"):
        provision(replace(kafka, partitions=5), [missing, held])
    assert missing.name not in {topic.name for topic in existing(kafka)}


def test_more_replicas_than_brokers_are_the_operators_fault(kafka: KafkaSettings) -> None:
    with pytest.raises(Misconfigured, match="refuses to make topic"):
        provision(replace(kafka, replication=9), [own(CLUSTERS)])


def test_without_a_broker_it_says_where_it_looked() -> None:
    with pytest.raises(LogUnavailable, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
        provision(NOBODY, [own(CLUSTERS)], timeout=0.5)
