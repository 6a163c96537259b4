"""Folders and hubs to models. May import `phi3lib.vision`; `encoders`, `embeddings` and the lab import it.

    clip = load_clip("openai/clip-vit-base-patch32")
    phi3 = load_phi3_model("microsoft/Phi-3.5-vision-instruct")    # its vision part

`checkpoints` has the loaders, `defaults` the one switch between bundled and real models, `hub` the downloads,
`safetensors_io` the files.
"""
