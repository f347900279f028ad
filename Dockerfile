# evalsuite with all that draws, reads and scores.
#
#   docker build --tag evalsuite .
#   docker run --rm --volume "$PWD/reports:/work/reports" evalsuite                      # the sample of `nox -s eval`
#   docker run --rm --gpus all --volume "$PWD/reports:/work/reports" --volume "$HOME/.cache/huggingface:/models:ro" \
#     evalsuite run --model flux2-klein-4b --suite signage-en
#
# Nothing is downloaded when it runs: weights of real models come from the mounted cache.
FROM python:3.11-slim-bookworm

# libgl1 and libglib2.0-0 are what OpenCV is linked with.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 libgomp1 libfribidi0 tesseract-ocr-eng \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY evalsuite evalsuite
COPY data data

# The wheel of the OCR's weights is installed without its dependencies: they would lay a second OpenCV over the first.
RUN pip install --no-cache-dir --constraint constraints.txt '.[all]' \
    && pip install --no-cache-dir --no-deps --ignore-requires-python 'rapidocr==3.10.0' 'rapidocr-onnxruntime==1.4.4'

# No root, and a run folder that the caller mounts.
RUN useradd --create-home --uid 1000 evalsuite \
    && mkdir -p /work/reports /models \
    && chown evalsuite:evalsuite /work /work/reports /models
USER evalsuite
WORKDIR /work
ENV HF_HOME=/models \
    HF_HUB_OFFLINE=1 \
    PYTHONUNBUFFERED=1

ENTRYPOINT ["evalsuite"]
CMD ["run", "--suite", "all", "--limit", "18", "--styled-ceiling"]
