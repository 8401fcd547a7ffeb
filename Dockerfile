# The service alone: no training code, no compilers, no development tools; runs as an unprivileged user.
# CPU:  docker build -t inspect-line .
# CUDA: docker build -t inspect-line:cuda --build-arg TORCH_INDEX=https://pypi.org/simple .   (PyPI carries the CUDA build)
# Air-gapped sites build on a connected machine and carry the image (docs/operations.md).
ARG PYTHON_IMAGE=python:3.11.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
# Dependencies before sources, so that a source change does not fetch PyTorch again. The bounds are pyproject.toml's;
# torch and torchvision come first and from TORCH_INDEX alone, or pip would prefer PyPI's CUDA build.
COPY pyproject.toml deploy/requirements.py ./
RUN python requirements.py torch > torch.txt \
    && python requirements.py rest > rest.txt \
    && pip install --index-url "${TORCH_INDEX}" -r torch.txt \
    && pip install -r rest.txt

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="inspect-line" \
      org.opencontainers.image.description="Visual inspection: image in; anomaly score, verdict and heatmap out" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 inspect \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/inspect --shell /usr/sbin/nologin inspect \
    && mkdir -p /var/lib/inspect/models /var/lib/inspect/data \
    && chown -R 10001:10001 /var/lib/inspect
COPY --from=build /opt/venv /opt/venv
# The tree as it is, so that pages and templates beside the code are there without being listed a second time.
WORKDIR /srv/inspect
COPY detector ./detector
COPY model_store ./model_store
COPY app ./app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    INSPECT_HOST=0.0.0.0 \
    INSPECT_PORT=8080 \
    INSPECT_MODEL_STORE=/var/lib/inspect/models \
    INSPECT_DATA=/var/lib/inspect/data \
    ORT_DISABLE_TELEMETRY=1
VOLUME ["/var/lib/inspect/models", "/var/lib/inspect/data"]
EXPOSE 8080
USER 10001:10001
# /livez, not /readyz: an empty model store or a model being loaded is no reason to call the container unhealthy.
HEALTHCHECK --interval=15s --timeout=4s --start-period=60s --retries=3 \
    CMD ["python", "-m", "app.probe"]
# Without keys it refuses to start, because it listens to the network: mount a key file and set INSPECT_KEYS_FILE
# (`docker run … key NAME` makes one), or set INSPECT_ALLOW_OPEN=true.
ENTRYPOINT ["python", "-m", "app"]
