# The workflow's programs at the versions of requirements.lock, for --sdm apptainer. See docs/cluster.md.
FROM python:3.11-slim
COPY requirements.lock /
RUN pip install --no-cache-dir --requirement /requirements.lock
