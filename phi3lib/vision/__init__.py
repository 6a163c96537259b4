"""The models: HD transform, processors, vision tower, projector, language model; CLIP.

Knows no hub, no checkpoint and no table; imports no other package of phi3lib.
"""
