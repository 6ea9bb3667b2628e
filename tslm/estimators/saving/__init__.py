"""Saving and loading of models: a folder of JSON and safetensors."""
