# The workflow's programs at the versions of requirements.lock, for --sdm apptainer. See docs/cluster.md.
FROM python:3.11-slim
# some layers are compiled at first use
RUN apt-get update && apt-get install --yes --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
COPY requirements.lock /
RUN pip install --no-cache-dir --requirement /requirements.lock
