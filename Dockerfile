# syntax=docker/dockerfile:1
# The bot: a wheel, its locked dependencies, helm and kubectl; non-root, with nothing to write but /data and /tmp.
ARG PYTHON=python:3.12-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/clearml-chatops
# The lock first: it changes less often than the code.
COPY requirements.lock requirements-build.lock ./
RUN /opt/clearml-chatops/bin/pip install --require-hashes --only-binary=:all: -r requirements.lock \
 && python -m venv /tmp/build \
 && /tmp/build/bin/pip install --require-hashes --only-binary=:all: -r requirements-build.lock
COPY pyproject.toml README.md LICENSE manifest.yml ./
COPY docs/clearml-chatops.1 docs/clearml-chatops.1
COPY bot bot
COPY commands commands
COPY policies policies
COPY provisioning provisioning
COPY sandbox sandbox
RUN /tmp/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
 && /opt/clearml-chatops/bin/pip install --no-deps /tmp/wheel/clearml_chatops-*.whl \
 && XDG_CACHE_HOME=/tmp/cache /opt/clearml-chatops/bin/clearml-chatops tools install \
 && install -m 0755 /tmp/cache/clearml-chatops/tools/*/helm /tmp/cache/clearml-chatops/tools/*/kubectl /usr/local/bin/

FROM ${PYTHON}
LABEL org.opencontainers.image.title="clearml-chatops" \
      org.opencontainers.image.description="Slack ChatOps for ClearML Enterprise as a multi-tenant GPU service" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --user-group --home-dir /data --no-create-home chatops \
 && install -d -o chatops -g chatops -m 0700 /data
COPY --from=build /opt/clearml-chatops /opt/clearml-chatops
COPY --from=build /usr/local/bin/helm /usr/local/bin/kubectl /usr/local/bin/
ENV PATH=/opt/clearml-chatops/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data \
    CLEARML_CHATOPS_DATA_DIR=/data \
    CLEARML_CHATOPS_LOG_FORMAT=json \
    CLEARML_CHATOPS_HEALTH__HOST=0.0.0.0 \
    CLEARML_CHATOPS_HEALTH__PORT=9090
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 3000 9090
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['CLEARML_CHATOPS_HEALTH__PORT'] + '/readyz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["clearml-chatops"]
CMD ["serve"]
