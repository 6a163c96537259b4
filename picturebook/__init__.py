"""Captioned pictures drawn by code: the world of the bundled models, endless and free of licences."""
