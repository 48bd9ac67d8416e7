"""Files in and out: images, masks, atomic writes, the model hub."""
