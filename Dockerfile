# Two stages: one that has pip and a shell, and what is shipped, which has neither.
#
#   docker build -t portcullis .
#   docker run --rm -p 127.0.0.1:8484:8484 --read-only -v portcullis:/var/lib/portcullis portcullis
#
# Python packages are pinned by their hashes. The base images are pinned by tag; a build that must be
# repeatable to the byte names them by digest: --build-arg RUNTIME=...@sha256:...

# Both have Python 3.11 on Debian 12: what is compiled in the one runs in the other.
ARG BUILD=python:3.11-slim-bookworm
ARG RUNTIME=gcr.io/distroless/python3-debian12:nonroot

FROM ${BUILD} AS build
WORKDIR /src
# NO_COMPILE=0 is pip's way to say --no-compile: it takes the value for that of `compile`.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=0 PIP_ROOT_USER_ACTION=ignore

# First what changes seldom. --no-deps: the lock names all there is to be, and leaves out what
# presidio-analyzer asks for in vain (requirements-image.overrides).
COPY requirements-image.lock requirements-image-build.lock ./
RUN python -m pip install --quiet --no-deps --require-hashes --only-binary :all: \
      --target /opt/portcullis --requirement requirements-image.lock \
 && python -m venv /opt/tools \
 && /opt/tools/bin/pip install --quiet --no-deps --require-hashes --only-binary :all: \
      --requirement requirements-image-build.lock

COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY policies policies
# A read-only file system keeps no compiled files: they are made here. The state folder is made here
# too, because the other stage has no shell to make it in.
RUN /opt/tools/bin/pip install --quiet --no-deps --no-build-isolation --no-index \
      --target /opt/wheel . \
 && cp -R /opt/wheel/. /opt/portcullis/ \
 && /opt/tools/bin/cyclonedx-py requirements requirements-image.lock --pyproject pyproject.toml \
      --output-reproducible --output-file /opt/portcullis/sbom.cdx.json \
 && python -m compileall -q -j 0 /opt/portcullis \
 && mkdir -p /opt/state

FROM ${RUNTIME}
LABEL org.opencontainers.image.title="Portcullis" \
      org.opencontainers.image.description="A policy gateway between AI agents and everything they talk to" \
      org.opencontainers.image.licenses="Apache-2.0" \
      io.portcullis.sbom="/opt/portcullis/sbom.cdx.json"
COPY --from=build /opt/portcullis /opt/portcullis
COPY --from=build --chown=65532:65532 /opt/state /var/lib/portcullis
# SAFEPATH: the working folder is a volume, and no place to take code from.
ENV PYTHONPATH=/opt/portcullis \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PORTCULLIS_LISTEN=0.0.0.0:8484 \
    PORTCULLIS_PROBES=0.0.0.0:9484 \
    PORTCULLIS_ADMIN=off
USER 65532:65532
WORKDIR /var/lib/portcullis
VOLUME /var/lib/portcullis
EXPOSE 8484 9484
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["/usr/bin/python3", "-m", "gateway", "health"]
ENTRYPOINT ["/usr/bin/python3", "-m", "gateway"]
CMD ["serve"]
