"""The plans that ship, as TOML beside this file; `verify.experiments.plan` reads them."""
