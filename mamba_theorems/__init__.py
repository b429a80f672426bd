"""Everything under one import name: `mamba_theorems.theorems`, `.constructions`, `.kernels` and `.verify`.

In a checkout the four rooms lie beside this folder, which holds links to them and to what ships with them;
`mamba_theorems.checkout` makes `import verify` there the same modules. An installed wheel holds the files themselves.
"""

from pathlib import Path

if Path(__file__).with_name("verify").is_symlink():
    from mamba_theorems import checkout

    checkout.install()
