"""The backend "triton": kernels for a CUDA device."""
