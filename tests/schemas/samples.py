"""One record of every kind, and hypothesis strategies for those that strangers write."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from schemas.accounts.invitations import Invitation
from schemas.accounts.keys import Key
from schemas.accounts.streams import Stream
from schemas.accounts.traces import ActionAudited, MailRequested, Verdict
from schemas.accounts.users import OneTimeToken, Purpose, Session, SpentTicket, Status, User
from schemas.accounts.webhooks import Attempt, Delivery, Progress, Webhook
from schemas.clustering.clusters import Cluster, ClustersUpdated, DriftDetected, WorkerFigures
from schemas.clustering.points import (
    Action,
    AnsweredCluster,
    ClusteringConfig,
    OutliersDetected,
    PointsAnswered,
    PointsClustered,
    PointsObserved,
)
from schemas.entity import Commanded, Decided
from schemas.event import Event
from schemas.exchange import Refused, Replayed, Replied
from schemas.grants import Visibility
from schemas.operations.vitals import VitalsReported

NOW = 1_764_000_000_000_000

SAMPLES: tuple[Event, ...] = (
    PointsObserved("s", NOW, 2, np.array([1.0, 2.0, 3.0, 4.0]), "b1", "sensor", config=ClusteringConfig(threshold=0.5)),
    PointsObserved("s", NOW, 0, np.empty(0), action=Action.RESET),
    PointsClustered(
        *("s", 1, 2, "b1", "req_1", None, NOW, NOW, 1, 2, {"k": "v"}, [1, -1]), np.array([0.9, 0.1]), np.arange(4.0)
    ),
    OutliersDetected("s", 1, 2, None, NOW, 2, [1], np.array([0.1]), np.array([3.0, 4.0])),
    ClustersUpdated(
        *("s", 1, 2, NOW, NOW, "adaptive", 2, 10, 3, 1, 0, 0.7, None, 1.0, 1.0, 0.1, True, 1, NOW),
        WorkerFigures("worker-0", NOW, 1, 2, 3, 0.1, 0.2, 0.3, None, None, None),
        [Cluster(7, 9, 8.5, 0.9, None, "healthy", 0.0, NOW, NOW, True)],
        np.array([1.0, 2.0]),
    ),
    DriftDetected("s", 1, 2, 0, NOW, 9, "outliers", 41.0, 0.8, [7], "look"),
    PointsAnswered("s", 1, False, 0.9, 1.5, [AnsweredCluster(7, 9, 0.9, NOW, NOW)], [7, -1], np.array([0.9, 0.2])),
    Replied("req_1", 0, "points.observed.v1", 1, 2, None, None, b"x"),
    Refused("points.observed.v1", 1, 2, "avro_invalid", "why", None, "req_1", NOW, {"h": b"1"}, b"s", b"raw"),
    Replayed("points.observed.v1", 1, 2, NOW, [3, 4], 1, 9),
    Commanded("user", "u1", "rename", "{}", 3, "user:u1", "127.0.0.1", NOW),
    Decided("user", "u1", None, "taken", "another has it"),
    User(
        *("u1", 1, 2, NOW, NOW, 2, "ada"),
        email="ada@example.com",
        notification_preferences={"drift": True},
        roles=["viewer"],
        status=Status.BANNED,
        password="$argon2id$",
        tokens=[OneTimeToken(Purpose.RESET_PASSWORD, "d", NOW)],
        sessions=[Session("s1", "d", ["c"], "a", NOW, NOW, NOW, None, "curl")],
        tickets=[SpentTicket("t1", NOW)],
    ),
    Key("k1", 1, 2, NOW, NOW, "u1", "sensor", "ncs_0123", "d", ["clustering:write"], NOW, None),
    Webhook("w1", 1, 2, NOW, NOW, "u1", "https://example.com/", ["drift.detected"], "sealed"),
    Stream("s:u1", 1, 2, NOW, NOW, "u1", "s", Visibility.TEAM, ["u2"], NOW),
    Invitation("i1", 1, 2, NOW, NOW, "d", NOW, "u1", "ada@example.com"),
    Delivery("d1", "w1", "drift.detected", None, NOW, Progress.PENDING, NOW, [Attempt(NOW, 1.5, None, "away")], b"{}"),
    MailRequested("u1", "ada@example.com", "verify_email", NOW, NOW, "sealed"),
    ActionAudited(
        *(NOW, "user:u1", "user.rename", "u1", Verdict.REFUSED, None, "taken", None, "req_1", 1, 0, 9), {"field": "x"}
    ),
    VitalsReported("worker-0", "host", 7, NOW, NOW, True, {"points.observed.v1": [0, 3]}),
)

finite = st.floats(allow_nan=False, allow_infinity=False)
configs = st.builds(
    ClusteringConfig,
    algorithm=st.none() | st.text(max_size=20),
    parameters=st.none()
    | st.dictionaries(
        st.text(max_size=8), st.booleans() | st.integers(-(2**63), 2**63 - 1) | finite | st.text(), max_size=3
    ),
    threshold=st.none() | finite,
    max_clusters=st.none() | st.integers(-(2**31), 2**31 - 1),
    learning_rate=st.none() | finite,
)
observed = st.builds(
    PointsObserved,
    stream=st.text(max_size=30),
    observed_at=st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2**51),
    dimension=st.integers(-(2**31), 2**31 - 1),
    values=st.lists(st.floats(), max_size=40).map(lambda values: np.array(values, np.float64)),
    batch_id=st.none() | st.text(max_size=20),
    source=st.none() | st.text(max_size=20),
    action=st.sampled_from(Action),
    config=st.none() | configs,
    metadata=st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=3),
)
