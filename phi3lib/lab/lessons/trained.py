"""What trained models say about a picture, where there are any on this machine."""

from typing import Any

from PIL import Image

from phi3lib.lab.check_up import trained_models


def show_trained(picture: Image.Image, *, max_words: int = 30) -> None:
    """Print a trained CLIP's vector size and a trained Phi-3-vision's caption of a picture.

    Only models on this machine are used; where one is missing, a sentence says so. Nothing is downloaded.
    """
    here = trained_models()
    if not here:
        print("No trained model is on this machine, so there is no caption and no trained vector to show.")
        print("Everything else in this notebook runs without one.")
        return
    if "CLIP" in here:
        from phi3lib.loading.checkpoints import load_clip

        vector = load_clip(here["CLIP"]).image_features(picture)
        print(f"CLIP turns the picture into a vector of {vector.shape[-1]} numbers.")
    if "Phi-3-vision" in here:
        print(f"Phi-3-vision says: {caption(picture, here['Phi-3-vision'], max_words=max_words)}")


def caption(picture: Image.Image, folder: Any, *, max_words: int = 30) -> str:
    """Return the answer of the Phi-3-vision model in a folder to "Describe the picture."."""
    from phi3lib.loading.checkpoints import load_phi3_model
    from phi3lib.vision.answers import answer

    model = load_phi3_model(folder, language_model=True)
    return answer(model, [picture], max_new_tokens=max_words)[0]
