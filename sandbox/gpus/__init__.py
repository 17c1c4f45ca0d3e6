"""The sandbox's GPUs: what a node's cards hold, in a file, and the `nvidia-smi` that answers from it."""
