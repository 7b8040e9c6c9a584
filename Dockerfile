# syntax=docker/dockerfile:1
# Waybill as an image: `docker build -t waybill:0.1.0 .`, then `docker run waybill:0.1.0 --help`. docs/deploying.md has more.
#
# The base is pinned by its tag. A build that must give the same image next year pins the digest that the registry names for
# that tag: `docker buildx imagetools inspect python:3.13.7-slim-trixie`, then --build-arg
# PYTHON_IMAGE=python:3.13.7-slim-trixie@sha256:...
ARG PYTHON_IMAGE=python:3.13.7-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# Every file of the locked set, each checked against its hash. What is installed further down comes from this folder alone.
COPY requirements.txt ./
RUN python -m pip download --quiet --require-hashes --only-binary :all: --dest wheels --requirement requirements.txt
COPY pyproject.toml README.md LICENSE topics.yaml ./
COPY packaging packaging
COPY schemas schemas
COPY app app
RUN python -m venv tools \
 && tools/bin/python -m pip install --quiet --no-index --find-links wheels hatchling \
 && tools/bin/python -m pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir built . \
 && python -m venv /opt/waybill \
 && /opt/waybill/bin/python -m pip install --quiet --no-index --find-links wheels built/waybill-*.whl \
 && /opt/waybill/bin/python -m pip uninstall --quiet --yes pip

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Waybill" \
      org.opencontainers.image.description="Intelligent Order Management as Kafka streams" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing of the image belongs to this user, and nothing has to be written: the root may be read-only.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin waybill
COPY --from=build /opt/waybill /opt/waybill
ENV PATH=/opt/waybill/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    WAYBILL_WEB_HOST=0.0.0.0 \
    WAYBILL_WEB_PORT=6066
USER 10001:10001
EXPOSE 6066
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import http.client, os; connection = http.client.HTTPConnection('127.0.0.1', int(os.environ['WAYBILL_WEB_PORT']), timeout=4); connection.request('GET', '/health'); raise SystemExit(connection.getresponse().status != 200)"]
ENTRYPOINT ["waybill"]
CMD ["--help"]
