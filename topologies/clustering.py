"""The clustering domain: points.observed.v1 through `pipeline.clustering.cluster` to what its outcomes name."""

from __future__ import annotations

import faust

from pipeline import announce
from pipeline.clustering.adaptive.engine import warm
from pipeline.clustering.cluster import Cluster
from pipeline.clustering.state import StreamState
from pipeline.telemetry import Meter
from schemas.clustering.points import PointsObserved
from schemas.clustering.topics import OBSERVED
from topologies.apply import Apply
from topologies.attach import attach_work
from topologies.domain import Domain
from topologies.partition import Engine
from topologies.site import Site


def attach(app: faust.App, site: Site) -> None:
    """Loads the learner's compiled kernel first, a second's work: later it would hold up heartbeats and a batch."""
    announce.progress("loading the learner; the first time it is compiled, which takes a minute")
    warm()

    def work(engine: Engine) -> Apply[PointsObserved, StreamState]:
        step = Cluster(Meter(site.settings.name, site.clock), site.clock)
        breath = site.settings.rhythm.breath_seconds
        most = site.settings.streams_per_partition
        return Apply(step, engine, site.deliver(), site.codec, site.placement, breath, max_states=most)

    attach_work(app, site, OBSERVED, work)


DOMAIN = Domain("clustering", attach)
