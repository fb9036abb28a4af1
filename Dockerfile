# Build: docker build -t pynomaly .     Run: docker run --read-only --tmpfs /tmp pynomaly --help
# For a build that repeats exactly, pass the image by digest: --build-arg PYTHON_IMAGE=python@sha256:…
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY pyproject.toml constraints.txt README.md CHANGELOG.md LICENSE ./
COPY src src
COPY connectors connectors
COPY flows/pynomaly_flows flows/pynomaly_flows
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

# `pyod` brings scheduled refits, `registry` Avro, Protobuf and JSON Schema: in an image nobody can install them later.
# `--build-arg EXTRAS=` makes a smaller one without them.
ARG EXTRAS=pyod,registry
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /venv \
    && pip --python /venv install --only-binary :all: -c constraints.txt "$(echo /wheels/*.whl)${EXTRAS:+[$EXTRAS]}"

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="pynomaly" \
      org.opencontainers.image.description="Real-time streaming anomaly detection with alerts that replay exactly" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# A numeric user, so that Kubernetes can check that it is not root. The three folders are all that is ever written.
RUN groupadd --gid 10001 pynomaly \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /srv/pynomaly --shell /usr/sbin/nologin pynomaly \
    && install -d -o pynomaly -g pynomaly /srv/pynomaly /srv/pynomaly/state /srv/pynomaly/out /var/cache/pynomaly

COPY --from=build /venv /venv
COPY flows/*.yaml /srv/pynomaly/flows/
COPY flows/schema /srv/pynomaly/flows/schema

ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_CACHE_HOME=/var/cache \
    METRICS_LISTEN=0.0.0.0:9464

WORKDIR /srv/pynomaly
USER 10001:10001
VOLUME ["/srv/pynomaly/state", "/srv/pynomaly/out", "/var/cache/pynomaly"]
EXPOSE 9464
STOPSIGNAL SIGTERM

# The first start compiles the flow's kernel; later ones find it in the cache.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/healthz', timeout=4)"]

ENTRYPOINT ["pynomaly"]
CMD ["--help"]
