"""How the register came to its present schema: one step a module, run by Alembic."""
