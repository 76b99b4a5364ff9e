"""What everything stands on: errors, files, checksums, provenance and its comparison, devices."""
