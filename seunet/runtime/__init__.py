"""What everything stands on: errors, files, checksums, provenance, devices."""
