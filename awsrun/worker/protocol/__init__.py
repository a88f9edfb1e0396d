"""The claim protocol: what a run is made of, how it lies in its table, and each step that workers and users take."""
