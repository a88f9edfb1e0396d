"""Lambda: moto keeps functions, code and policies; here they run, in processes of this machine."""
