# One image for every part of ours: the command says which. Kafka and ClickHouse have images of their own.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/thalweg
ENV PATH=/opt/thalweg/bin:$PATH
WORKDIR /src
COPY requirements.lock ./
# Of what is installed, the embedded ClickHouse engine alone is half a gigabyte, and is not used here.
RUN pip install --require-hashes -r requirements.lock && pip uninstall --yes chdb-core
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY pipeline pipeline
COPY topologies topologies
COPY ingest_api ingest_api
RUN pip install --no-deps --no-build-isolation .
# The clustering kernel's machine code. A processor of another kind than this one's compiles its own, once a container.
ENV NUMBA_CACHE_DIR=/opt/thalweg/kernel
RUN python -m pipeline.clustering.adaptive

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/thalweg thalweg
COPY --from=build /opt/thalweg /opt/thalweg
# numba uses its cache only where it may also write.
RUN chown -R thalweg:thalweg /opt/thalweg/kernel
ENV PATH=/opt/thalweg/bin:$PATH \
    NUMBA_CACHE_DIR=/opt/thalweg/kernel \
    THALWEG_DATA_DIR=/var/lib/thalweg \
    PYTHONUNBUFFERED=1 \
    TZ=UTC
USER thalweg
WORKDIR /var/lib/thalweg
CMD ["thalweg", "--help"]
