"""From a picture to visual tokens: preprocessing, HD transform, vision tower, projector, language model."""
