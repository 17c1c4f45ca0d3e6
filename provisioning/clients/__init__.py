"""The outside systems, one module each: helm and kubectl (binaries), kubernetes, ClearML."""
