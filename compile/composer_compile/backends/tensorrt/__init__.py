"""The backend `tensorrt`: Torch-TensorRT engines, standard and RTX. Imported only where the backend is used."""
