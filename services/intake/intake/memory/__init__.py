"""What is remembered: values for a while, and which actions were taken, so that nobody pays or asks for one twice unknowing."""
