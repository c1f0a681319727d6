"""How the simulated ICA speaks HTTP: media types, bodies, pages, idempotency keys, tokens, problem documents."""
