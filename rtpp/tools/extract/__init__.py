"""What extractaudio is made of."""
